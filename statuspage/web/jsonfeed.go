package web

import (
	"bytes"
	"encoding/json"
)

// jsonFeedOf writes JSON Feed 1.1.
func jsonFeedOf() format {
	return format{"json", "application/feed+json; charset=utf-8", writeJSONFeed}
}

type jsonFeed struct {
	Version     string       `json:"version"`
	Title       string       `json:"title"`
	HomePage    string       `json:"home_page_url"`
	Feed        string       `json:"feed_url"`
	Description string       `json:"description"`
	Language    string       `json:"language"`
	Authors     []jsonAuthor `json:"authors"`
	Items       []jsonItem   `json:"items"`
}

type jsonAuthor struct {
	Name string `json:"name"`
	URL  string `json:"url"`
}

type jsonItem struct {
	ID        string     `json:"id"`
	URL       string     `json:"url"`
	Title     string     `json:"title"`
	HTML      string     `json:"content_html"`
	Published string     `json:"date_published"`
	Modified  string     `json:"date_modified"`
	Tags      []string   `json:"tags"`
	Language  string     `json:"language,omitempty"`
	Status    entryState `json:"_status"`
}

func writeJSONFeed(d feed) ([]byte, error) {
	j := jsonFeed{
		Version: "https://jsonfeed.org/version/1.1", Title: d.title, HomePage: d.home, Feed: d.self,
		Description: d.subtitle, Language: d.lang, Authors: []jsonAuthor{{d.author, d.home}}, Items: []jsonItem{},
	}
	for _, e := range d.entries {
		item := jsonItem{
			ID: e.id, URL: e.link, Title: e.title, HTML: e.html, Language: e.lang,
			Published: atomTime(e.published), Modified: atomTime(e.updated), Tags: []string{}, Status: e.state,
		}
		for _, t := range e.terms {
			item.Tags = append(item.Tags, t.Term)
		}
		j.Items = append(j.Items, item)
	}
	return marshalJSON(j)
}

func marshalJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
