package i18n

import (
	"strconv"
	"strings"
)

// Number groups the digits of n by three: "12 345" with no-break spaces in
// French, "12,345" in English. Ticket and incident numbers are names, not
// quantities: they are not written so.
func Number(lang string, n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	separator := pick(Lang(lang), nbsp, ",")
	var b strings.Builder
	b.WriteString(sign)
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteString(separator)
		}
		b.WriteRune(d)
	}
	return b.String()
}

// Size gives a number of bytes in decimal units, with one decimal below ten:
// "1,4 Mo", "1.4 MB", "14 ko". The space does not break.
func Size(lang string, bytes int64) string {
	lang = Lang(lang)
	if bytes < 0 {
		bytes = 0
	}
	units := [...]string{"o", "ko", "Mo", "Go", "To", "Po", "Eo"}
	if lang == "en" {
		units = [...]string{"B", "kB", "MB", "GB", "TB", "PB", "EB"}
	}
	size, i := float64(bytes), 0
	// From 999.5 on the rounded figure would have four digits.
	for size >= 999.5 && i < len(units)-1 {
		size, i = size/1000, i+1
	}
	decimals := 0
	if i > 0 && size < 9.95 {
		decimals = 1
	}
	text := strings.TrimSuffix(strconv.FormatFloat(size, 'f', decimals, 64), ".0")
	if lang == "fr" {
		text = strings.Replace(text, ".", ",", 1)
	}
	return text + nbsp + units[i]
}
