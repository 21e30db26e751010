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
	palettes := regexp.MustCompile(`:root\{([^}]*)\}`).FindAllStringSubmatch(css(t), -1)
	if len(palettes) != 3 {
		t.Fatalf("%d palettes, want light, dark and print", len(palettes))
	}
	for n, name := range []string{"light", "dark", "print"} {
		colours := map[string]float64{}
		for _, m := range regexp.MustCompile(`--([a-z]+):(#[0-9a-f]{6})`).FindAllStringSubmatch(palettes[n][1], -1) {
			colours[m[1]] = luminance(t, m[2])
		}
		// What lies beneath: the page, cards, and the tint of each state, on
		// which its own shape stands.
		grounds := []string{"bg", "card"}
		for _, state := range []string{"ok", "minor", "major", "critical", "maintenance", "none"} {
			grounds = append(grounds, state+"soft")
			for _, ground := range []string{"bg", "card", state + "soft"} {
				if ratio := contrast(colours[state], colours[ground]); ratio < 4.5 {
					t.Errorf("%s: %s on %s has %.2f", name, state, ground, ratio)
				}
			}
			if ratio := contrast(colours["on"], colours[state]); ratio < 3 {
				t.Errorf("%s: the sign in %s has %.2f", name, state, ratio)
			}
		}
		for _, ground := range grounds {
			for _, text := range []string{"fg", "muted"} {
				if ratio := contrast(colours[text], colours[ground]); ratio < 4.5 {
					t.Errorf("%s: %s on %s has %.2f", name, text, ground, ratio)
				}
			}
		}
		for _, ground := range []string{"bg", "card", "nonesoft"} {
			if ratio := contrast(colours["link"], colours[ground]); ratio < 4.5 {
				t.Errorf("%s: link on %s has %.2f", name, ground, ratio)
			}
		}
	}
	if strings.Contains(css(t), "url(") || strings.Contains(css(t), "@import") {
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

func css(t *testing.T) string {
	t.Helper()
	body, err := templateFiles.ReadFile("templates/style.css")
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
