package web

import (
	"net/url"
	"testing"
)

func TestReadFlySpray(t *testing.T) {
	for query, want := range map[string]flySprayRequest{
		"": {"atom", "open", 20},
		"feed_type=rss2&project=4&topic=clo&num=10": {"rss2", "clo", 10},
		"feed_type=rss1&topic=edit":                 {"rss1", "edit", 20},
		"feed_type=x&topic=x&num=x":                 {"atom", "open", 20},
		"num=-1":                                    {"atom", "open", 20},
		"num=100000":                                {"atom", "open", 50},
	} {
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if got := readFlySpray(q); got != want {
			t.Errorf("%s: %+v", query, got)
		}
	}
}

func TestOldAddresses(t *testing.T) {
	f := weekFixture(t, week())
	for from, to := range map[string]string{
		"/index.php?do=details&task_id=52":         "/incidents/52",
		"/index.php?do=details&task_id=52&lang=en": "/incidents/52?lang=en",
		"/index.php?do=roadmap":                    "/",
		"/index.php?do=details&task_id=x":          "/",
		"/task/52":                                 "/incidents/52",
		"/52":                                      "/incidents/52",
		"/travaux/49":                              "/incidents/49",
		"/en/travaux/49":                           "/incidents/49?lang=en",
		"/api":                                     "/follow",
	} {
		if w := f.get(from); w.Code != 301 || w.Header().Get("Location") != to {
			t.Errorf("%s: %d %s", from, w.Code, w.Header().Get("Location"))
		}
	}
	for _, path := range []string{"/task/x", "/0", "/-1", "/x52"} {
		if w := f.get(path); w.Code != 404 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}
