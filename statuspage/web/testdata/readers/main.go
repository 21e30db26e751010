// Command readers reads a feed, or a calendar, from its standard input with a
// library that the status page does not write with, and tells as JSON what it
// understood.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/emersion/go-ical"
	"github.com/mmcdole/gofeed"
)

// item is an entry of a feed.
type item struct {
	GUID, Title, Link, Content string
	Published, Updated         time.Time
	Categories                 []string
}

// event is one of a calendar.
type event struct {
	UID, Summary, Description, Status, URL string
	Sequence                               string
	Start, End, Stamp                      time.Time
	Categories                             []string
}

type answer struct {
	Type, Title, Language, Link, FeedLink string
	Updated                               time.Time
	Items                                 []item
	Events                                []event
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	read := readFeed
	if len(os.Args) == 2 && os.Args[1] == "calendar" {
		read = readCalendar
	}
	a, err := read(os.Stdin)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(a)
}

func readFeed(r io.Reader) (answer, error) {
	f, err := gofeed.NewParser().Parse(r)
	if err != nil {
		return answer{}, err
	}
	a := answer{Type: f.FeedType + " " + f.FeedVersion, Title: f.Title, Language: f.Language, Link: f.Link, FeedLink: f.FeedLink}
	if f.UpdatedParsed != nil {
		a.Updated = *f.UpdatedParsed
	}
	for _, i := range f.Items {
		one := item{GUID: i.GUID, Title: i.Title, Link: i.Link, Content: i.Content, Categories: i.Categories}
		if one.Content == "" {
			one.Content = i.Description
		}
		if i.PublishedParsed != nil {
			one.Published = *i.PublishedParsed
		}
		if i.UpdatedParsed != nil {
			one.Updated = *i.UpdatedParsed
		}
		a.Items = append(a.Items, one)
	}
	return a, nil
}

func readCalendar(r io.Reader) (answer, error) {
	c, err := ical.NewDecoder(r).Decode()
	if err != nil {
		return answer{}, err
	}
	a := answer{Type: "calendar"}
	if a.Title, err = c.Props.Text(ical.PropName); err != nil {
		return answer{}, err
	}
	for _, e := range c.Events() {
		var one event
		for name, to := range map[string]*string{
			ical.PropUID: &one.UID, ical.PropSummary: &one.Summary, ical.PropDescription: &one.Description, ical.PropStatus: &one.Status,
		} {
			if *to, err = e.Props.Text(name); err != nil {
				return answer{}, err
			}
		}
		if p := e.Props.Get(ical.PropURL); p != nil {
			one.URL = p.Value
		}
		if p := e.Props.Get(ical.PropSequence); p != nil {
			one.Sequence = p.Value
		}
		if one.Start, err = e.DateTimeStart(time.UTC); err != nil {
			return answer{}, err
		}
		if one.End, err = e.DateTimeEnd(time.UTC); err != nil {
			return answer{}, err
		}
		if one.Stamp, err = e.Props.DateTime(ical.PropDateTimeStamp, time.UTC); err != nil {
			return answer{}, err
		}
		for _, p := range e.Props.Values(ical.PropCategories) {
			list, err := p.TextList()
			if err != nil {
				return answer{}, err
			}
			one.Categories = append(one.Categories, list...)
		}
		a.Events = append(a.Events, one)
	}
	return a, nil
}
