package web

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Every colour of text and of shapes stands out from both backgrounds by what
// WCAG 2.2 asks of level AA: 4.5 for text (1.4.3), 3 for shapes (1.4.11).
func TestContrast(t *testing.T) {
	palettes := regexp.MustCompile(`:root\{([^}]*)\}`).FindAllStringSubmatch(styleCSS, -1)
	if len(palettes) != 3 {
		t.Fatalf("%d palettes, want light, dark and print", len(palettes))
	}
	for n, name := range []string{"light", "dark", "print"} {
		colours := map[string]float64{}
		for _, m := range regexp.MustCompile(`--([a-z]+):(#[0-9a-f]{6})`).FindAllStringSubmatch(palettes[n][1], -1) {
			colours[m[1]] = luminance(t, m[2])
		}
		if name == "print" { // the rest is that of the light one
			delete(colours, "line")
		}
		for _, ground := range []string{"bg", "card"} {
			for colour, l := range colours {
				if colour == "bg" || colour == "card" || colour == "line" {
					continue
				}
				if ratio := contrast(l, colours[ground]); ratio < 4.5 {
					t.Errorf("%s: %s on %s has %.2f", name, colour, ground, ratio)
				}
			}
		}
	}
	if strings.Contains(styleCSS, "url(") || strings.Contains(styleCSS, "@import") {
		t.Error("the style loads something")
	}
}

// luminance is the relative luminance of a colour (WCAG 2.2, definitions).
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	n, err := strconv.ParseUint(hex[1:], 16, 32)
	if err != nil {
		t.Fatal(err)
	}
	linear := func(shift uint) float64 {
		c := float64(n>>shift&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(16) + 0.7152*linear(8) + 0.0722*linear(0)
}

func contrast(a, b float64) float64 {
	if a < b {
		a, b = b, a
	}
	return (a + 0.05) / (b + 0.05)
}
