package web

import (
	"fmt"
	"strings"

	"permanence/statuspage"
)

// crowd is the worst evening: six troubles at once, one with ten updates in two
// languages and a gap, one whose title was written to do harm.
func crowd() []statuspage.PublicIncident {
	mail := statuspage.PublicComponent{ID: "mail", Name: "Messagerie", Status: statuspage.MajorOutage}
	web := statuspage.PublicComponent{ID: "web", Name: "Hébergement web", Status: statuspage.MajorOutage}
	files := statuspage.PublicComponent{ID: "files", Name: "Fichiers partagés", Status: statuspage.Degraded}
	long := statuspage.PublicIncident{
		Number: 60, UID: "crowd60", Kind: statuspage.Unplanned, Title: "Hébergement web, Messagerie : baie de stockage arrêtée", Lang: "fr",
		Titles: []statuspage.PublicText{{Lang: "en", Body: "Web hosting, Mail: storage array stopped", Published: at(19, 19, 0)}},
		State:  statuspage.Monitoring, Impact: statuspage.Critical, Started: at(18, 23, 50), Noticed: at(19, 0, 10), Published: at(19, 0, 12),
		NextWord: at(19, 22, 30), Updated: at(19, 21, 40), Components: []statuspage.PublicComponent{mail, web},
	}
	for n := range 10 {
		u := statuspage.PublicUpdate{UID: fmt.Sprintf("c%d", n), State: statuspage.Identified, Lang: "fr", Published: at(19, 0, 12) + statuspage.Time(n)*2*3600e3,
			Body: fmt.Sprintf("Point n° %d : la reconstruction avance, **%d %%**. Les sites restent en lecture seule.", n+1, n*10)}
		switch n {
		case 0:
			u.State = statuspage.Investigating
		case 4:
			u.Edited = u.Published + 10*60e3
		case 5:
			u.Body = "Ordre de retour :\n\n| Service | Heure | Remarque |\n|:--|--:|:-:|\n| Messagerie | 14h | d’abord la réception |\n| Sites A–M | 16h | en lecture seule |\n| Sites N–Z | 18h | voir https://forum.example.org/t/une-tres-longue-adresse-que-personne-ne-coupe-et-qui-deborde/1234567890 |"
		case 6:
			u.Body = "Ce que dit le contrôleur :\n\n```\nmd127 : active raid6 sdl1[11] sdk1[10] sdj1[9] sdi1[8] sdh1[7] sdg1[6] sdf1[5] sde1[4] [UUUUUUUU_U]\n      recovery = 61.3% (2393456640/3906886464) finish=143.2min speed=175928K/sec\n```\n\n> Nous préférons une reconstruction lente à une reconstruction risquée."
		case 9:
			u.State = statuspage.Monitoring
			u.Body = "La reconstruction est finie. Nous surveillons."
		}
		if n != 7 {
			u.Texts = []statuspage.PublicText{{Lang: "en", Body: fmt.Sprintf("Point %d: the rebuild goes on, **%d%%**. Sites stay read-only.", n+1, n*10), Published: u.Published}}
		}
		long.Updates = append(long.Updates, u)
	}
	list := []statuspage.PublicIncident{long}
	hostile := "</title><script>alert(1)</script> " + strings.Repeat("AÀ", 40) + " \u202egauche à droite\u202c javascript:alert(1) & \"'` {{.}} %s"
	for n, one := range []struct {
		title string
		of    []statuspage.PublicComponent
	}{
		{hostile, nil},
		{"Fichiers partagés : synchronisation lente", []statuspage.PublicComponent{files}},
		{"Listes de diffusion : archives illisibles", nil},
		{"Forum : recherche en panne", nil},
		{"Visio : salles bruyantes", nil},
	} {
		number := statuspage.ID(59 - n)
		list = append(list, statuspage.PublicIncident{
			Number: number, UID: fmt.Sprint("crowd", number), Kind: statuspage.Unplanned, Title: one.title, Lang: "fr",
			State: statuspage.Investigating, Impact: statuspage.Minor, Started: at(19, 18-n, 5), Published: at(19, 18-n, 6), Updated: at(19, 18-n, 6),
			Components: one.of,
			Updates: []statuspage.PublicUpdate{{UID: fmt.Sprint("d", number), State: statuspage.Investigating, Body: "Nous cherchons. " + one.title, Lang: "fr",
				Published: at(19, 18-n, 6)}},
		})
	}
	return append(list, week()...)
}
