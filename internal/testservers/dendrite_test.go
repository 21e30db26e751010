package testservers

import (
	"testing"
)

func TestDendrite(t *testing.T) {
	t.Run("PostgreSQL", func(t *testing.T) { tryDendrite(t, DendriteOptions{}) })
	t.Run("SQLite", func(t *testing.T) { tryDendrite(t, DendriteOptions{SQLite: true}) })
}

func tryDendrite(t *testing.T, opts DendriteOptions) {
	d := NewDendrite(t, opts)
	camille := d.Register(t, "camille")
	if camille.UserID != "@camille:example.org" || camille.Token == "" || camille.DeviceID == "" {
		t.Errorf("registered as %+v", camille)
	}
	d.Stop()
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	if again := d.Login(t, camille); again.UserID != camille.UserID || again.DeviceID == camille.DeviceID {
		t.Errorf("after a restart logged in as %+v, before as %+v", again, camille)
	}
	d.Kill()
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	d.Login(t, camille)
}
