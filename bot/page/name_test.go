package page

import (
	"mime"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestFileName(t *testing.T) {
	tests := []struct{ name, want, header string }{
		{"capture.png", "capture.png", `attachment; filename="capture.png"`},
		{"Reçu d’août.pdf", "Reçu d’août.pdf", `attachment; filename="Recu d_aout.pdf"; filename*=UTF-8''Re%C3%A7u%20d%E2%80%99ao%C3%BBt.pdf`},
		{"../../x", "x", `attachment; filename="x"`},
		{`C:\Windows\cmd.exe`, "cmd.exe", `attachment; filename="cmd.exe"`},
		{"..", "file-7", `attachment; filename="file-7"`},
		{"", "file-7", `attachment; filename="file-7"`},
		{"/", "file-7", `attachment; filename="file-7"`},
		{".htaccess", "htaccess", `attachment; filename="htaccess"`},
		{"facture\u202efdp.exe", "facturefdp.exe", `attachment; filename="facturefdp.exe"`},
		{"a\u2066b\u200b\ufeffc.txt", "abc.txt", `attachment; filename="abc.txt"`},
		{"a\r\nSet-Cookie: x=1.txt", "a  Set-Cookie_ x=1.txt", `attachment; filename="a  Set-Cookie_ x=1.txt"`},
		{`"; filename=evil.html`, "_; filename=evil.html", `attachment; filename="_; filename=evil.html"`},
		{"100%41.txt", "100%41.txt", `attachment; filename="100_41.txt"; filename*=UTF-8''100%2541.txt`},
		{"\xff\xfe.txt", "\ufffd.txt", `attachment; filename="_.txt"; filename*=UTF-8''%EF%BF%BD.txt`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			name := fileName(tt.name, 7)
			if name != tt.want {
				t.Errorf("fileName(%q) = %q, want %q", tt.name, name, tt.want)
			}
			header := disposition("attachment", name)
			if header != tt.header {
				t.Errorf("header\n got %s\nwant %s", header, tt.header)
			}
			kind, params, err := mime.ParseMediaType(header)
			if err != nil || kind != "attachment" || params["filename"] != name {
				t.Errorf("read back: %s %q, %v", kind, params["filename"], err)
			}
		})
	}
	long := fileName(strings.Repeat("é", 300)+".pdf", 7)
	if len(long) > maxName || !strings.HasSuffix(long, "é.pdf") || !utf8.ValidString(long) {
		t.Errorf("a long name became %d bytes: %q", len(long), long)
	}
}

func TestClean(t *testing.T) {
	tests := []struct{ in, want string }{
		{"Camille", "Camille"},
		{"  two\nlines\t", "two lines"},
		{"\u202eecila\u202c", "ecila"},
		{"👩\u200d🔧", "👩\u200d🔧"},
		{"a\x00\x1b[31mb", "a[31mb"},
		{"\U000e0041hidden", "hidden"},
	}
	for _, tt := range tests {
		if got := clean(tt.in); got != tt.want {
			t.Errorf("clean(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}
