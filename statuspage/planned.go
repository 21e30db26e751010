package statuspage

import "fmt"

// Plan announces work to come: "demain 22h pendant 2h messagerie : changement
// de disque". Times and text may stand in either order. Work that begins now
// is in progress at once. The error is a *Refusal that says what is missing;
// an end is needed, for it is what people ask for.
func Plan(o Origin, components Components, text string) (Incident, Update, error) {
	s, err := o.when().Plan(text, o.At)
	if err != nil {
		return Incident{}, Update{}, err
	}
	if s.From == 0 {
		s.From = o.At
	}
	if s.Until == 0 {
		e := o.when().echoes(s.From, 0)
		return Incident{}, Update{}, refuse(
			"Le début est compris ("+e.FR+") ; il manque la fin : ajoutez par exemple `pendant 2h` ou `jusqu’à 23h30`.",
			"The start is understood ("+e.EN+"); the end is missing: add for example `for 2h` or `until 23:30`.")
	}
	if s.Rest == "" {
		e := o.when().echoes(s.From, s.Until)
		return Incident{}, Update{}, refuse(
			"Les heures sont comprises ("+e.FR+") ; dites aussi ce qui est fait, par exemple `messagerie : changement d’un disque`.",
			"The times are understood ("+e.EN+"); say also what is being done, for example `mail: replacing a disk`.")
	}
	a := components.readAs(Maintenance, s.Rest, o.Lang)
	a.impact = PlannedImpact
	inc := Incident{
		UID: newUID(), Kind: Maintenance, Lang: o.Lang,
		Title: a.title, State: Scheduled, Impact: PlannedImpact,
		Noticed: o.At, Published: o.At, Updated: o.At,
		ScheduledFor: s.From, ScheduledUntil: s.Until,
		TeamAdapter: o.Place.Adapter, TeamRoom: o.Place.Room, TeamThread: o.Place.Thread,
		Author: o.By, Affected: affected(a),
	}
	if s.From <= o.At {
		inc.State, inc.Started, inc.ScheduledFor = InProgress, o.At, o.At
	}
	u := newUpdate(o, inc, a.body)
	u.ScheduledFor, u.ScheduledUntil = inc.ScheduledFor, inc.ScheduledUntil
	return inc, u, nil
}

// Move gives planned work other times. Where no end is said it lasts as long
// as before; "d'une heure", "by 2 days" moves both ends. Once it is in
// progress only its end moves.
func Move(o Origin, inc Incident, text string) (Incident, Update, error) {
	if err := inc.planned(); err != nil {
		return inc, Update{}, err
	}
	text = clean(text)
	lasting := inc.ScheduledUntil - inc.ScheduledFor
	s, ok := o.when().shift(text, inc)
	if !ok {
		var err error
		if s, err = o.when().Plan(text, o.At); err != nil {
			return inc, Update{}, err
		}
	}
	switch {
	case inc.State != Scheduled:
		if s.Until == 0 {
			s.Until = s.From // "reporter 12 23h30": there is but the end to move
		}
		s.From = inc.ScheduledFor
		if s.Until <= o.At {
			e := o.when().echoes(s.Until, 0)
			return inc, Update{}, refuse(
				"Les travaux ont commencé : seule leur fin peut changer, et celle-ci est passée : "+e.FR+".",
				"The work has begun: only its end can change, and this one is past: "+e.EN+".")
		}
	case s.From == 0:
		s.From = inc.ScheduledFor
	case s.Until == 0:
		s.Until = s.From + lasting
	}
	if s.Until <= s.From {
		a, b := o.when().echoes(s.From, 0), o.when().echoes(s.Until, 0)
		return inc, Update{}, refuse(
			"La fin ne vient pas après le début : début "+a.FR+" ; fin "+b.FR+".",
			"The end does not come after the start: start "+a.EN+"; end "+b.EN+".")
	}
	if s.From == inc.ScheduledFor && s.Until == inc.ScheduledUntil {
		return inc, Update{}, refuse("Rien n’est publié : les heures sont les mêmes.", "Nothing is published: the times are the same.")
	}
	inc.ScheduledFor, inc.ScheduledUntil, inc.Updated = s.From, s.Until, o.At
	inc.Sequence++
	u := newUpdate(o, inc, s.Rest)
	u.ScheduledFor, u.ScheduledUntil = s.From, s.Until
	if u.Body == "" {
		u.Body = movedSentence(o.when(), u)
	}
	return inc, u, nil
}

// movedSentence is the body of an update that says nothing but new times.
func movedSentence(w When, u Update) string {
	pick := words{w.Lang}.pick
	if u.State != Scheduled {
		return pick("Nouvelle fin prévue : ", "New planned end: ") + w.Echo(u.ScheduledUntil, 0) + "."
	}
	return pick("Nouvelles dates : ", "New times: ") + w.Echo(u.ScheduledFor, u.ScheduledUntil) + "."
}

// shift reads "d'une heure", "de 2 jours", "by 90 min" at the front.
func (w When) shift(text string, inc Incident) (Spoken, bool) {
	f := foldFront(text)
	r := reader{f: f, w: w}
	p, ok := f.anyAt(f.skip(0, " "), []string{"de", "d'", "by"})
	if !ok {
		return Spoken{}, false
	}
	l, p, ok := r.length(f.skip(p, " "))
	if !ok {
		return Spoken{}, false
	}
	// "de 22h à minuit" is a stretch of time and no length.
	if e, ok := r.expression(f.skip(0, " ")); ok && e.span {
		return Spoken{}, false
	}
	later := func(t Time) Time { return At(t.In(w.loc()).AddDate(0, 0, l.days).Add(l.d)) }
	s := Spoken{From: later(inc.ScheduledFor), Until: later(inc.ScheduledUntil)}
	rest := f.skip(p, " ,;:.-–—")
	s.Rest = text[f.from[rest]:]
	return s, true
}

// Cancel says that planned work will not take place, or is broken off.
func Cancel(o Origin, inc Incident, text string) (Incident, Update, error) {
	if err := inc.planned(); err != nil {
		return inc, Update{}, err
	}
	if text = clean(text); text == "" {
		text = words{o.Lang}.pick("Ces travaux sont annulés.", "This work is cancelled.")
	}
	inc.Cancelled, inc.State, inc.Resolved, inc.Updated, inc.NextWord = true, Completed, o.At, o.At, 0
	inc.Sequence++
	return inc, newUpdate(o, inc, text), nil
}

// Begin says that planned work starts, before its time or at it. Where the
// program says so by itself (Origin.By is 0) it began when it was planned to.
func Begin(o Origin, inc Incident, text string) (Incident, Update, error) {
	if err := inc.planned(); err != nil {
		return inc, Update{}, err
	}
	if inc.State != Scheduled {
		return inc, Update{}, refuse(
			fmt.Sprintf("Les travaux %d ont déjà commencé : rien n’est publié.", inc.ID),
			fmt.Sprintf("Work %d has already begun: nothing is published.", inc.ID))
	}
	if text = clean(text); text == "" {
		text = words{o.Lang}.pick("Les travaux commencent.", "The work begins.")
	}
	inc.State, inc.Started, inc.Updated = InProgress, o.At, o.At
	if o.By == 0 && inc.ScheduledFor != 0 && inc.ScheduledFor < o.At {
		inc.Started = inc.ScheduledFor
	}
	return inc, newUpdate(o, inc, text), nil
}

// Bilan publishes what was learnt of an incident that is over.
func Bilan(o Origin, inc Incident, text string) (Incident, Update, error) {
	if inc.Open() {
		return inc, Update{}, refuse(
			fmt.Sprintf("Le numéro %d n’est pas terminé : le bilan vient après la fin.", inc.ID),
			fmt.Sprintf("Number %d has not ended: the post-mortem comes after the end.", inc.ID))
	}
	if text = clean(text); text == "" {
		return inc, Update{}, refuse(
			fmt.Sprintf("Rien n’est publié : il manque le texte du bilan, par exemple `!incident bilan %d Ce qui est arrivé…`.", inc.ID),
			fmt.Sprintf("Nothing is published: the text is missing, for example `!incident report %d What happened…`.", inc.ID))
	}
	if inc.Kind == Unplanned {
		inc.State = Postmortem
	}
	inc.Updated = o.At
	u := newUpdate(o, inc, text)
	return inc, u, nil
}

// planned refuses what is no planned work, or is over.
func (i Incident) planned() error {
	switch {
	case i.Kind != Maintenance:
		return refuse(
			fmt.Sprintf("Le numéro %d est un incident, et n’a pas de dates prévues : `!incident maj %d`, `!incident fin %d`.", i.ID, i.ID, i.ID),
			fmt.Sprintf("Number %d is an incident, and has no planned times: `!incident update %d`, `!incident end %d`.", i.ID, i.ID, i.ID))
	case !i.Open():
		return i.over()
	}
	return nil
}

// over is the refusal about what has ended.
func (i Incident) over() error {
	switch {
	case i.Cancelled:
		return refuse(
			fmt.Sprintf("Les travaux %d sont annulés : rien n’est publié.", i.ID),
			fmt.Sprintf("Work %d is cancelled: nothing is published.", i.ID))
	case i.Kind == Maintenance:
		return refuse(
			fmt.Sprintf("Les travaux %d sont déjà terminés : rien n’est publié.", i.ID),
			fmt.Sprintf("Work %d has already ended: nothing is published.", i.ID))
	}
	return refuse(
		fmt.Sprintf("L’incident %d est déjà terminé : la fin n’est pas annoncée une seconde fois.", i.ID),
		fmt.Sprintf("Incident %d has already ended: its end is not announced a second time.", i.ID))
}
