//go:build goolm

package matrix

// emojiName is the French name of one of the 64 emoji of verifications, whose
// English name is given
// (https://spec.matrix.org/v1.13/client-server-api/#sas-method-emoji). One that
// is not known keeps its name.
func emojiName(en string) string {
	names := [...][2]string{
		{"Dog", "Chien"}, {"Cat", "Chat"}, {"Lion", "Lion"}, {"Horse", "Cheval"}, {"Unicorn", "Licorne"}, {"Pig", "Cochon"},
		{"Elephant", "Éléphant"}, {"Rabbit", "Lapin"}, {"Panda", "Panda"}, {"Rooster", "Coq"}, {"Penguin", "Manchot"}, {"Turtle", "Tortue"},
		{"Fish", "Poisson"}, {"Octopus", "Poulpe"}, {"Butterfly", "Papillon"}, {"Flower", "Fleur"}, {"Tree", "Arbre"}, {"Cactus", "Cactus"},
		{"Mushroom", "Champignon"}, {"Globe", "Globe"}, {"Moon", "Lune"}, {"Cloud", "Nuage"}, {"Fire", "Feu"}, {"Banana", "Banane"},
		{"Apple", "Pomme"}, {"Strawberry", "Fraise"}, {"Corn", "Maïs"}, {"Pizza", "Pizza"}, {"Cake", "Gâteau"}, {"Heart", "Cœur"},
		{"Smiley", "Sourire"}, {"Robot", "Robot"}, {"Hat", "Chapeau"}, {"Glasses", "Lunettes"}, {"Spanner", "Clé à molette"},
		{"Santa", "Père Noël"}, {"Thumbs Up", "Pouce en l’air"}, {"Umbrella", "Parapluie"}, {"Hourglass", "Sablier"}, {"Clock", "Réveil"},
		{"Gift", "Cadeau"}, {"Light Bulb", "Ampoule"}, {"Book", "Livre"}, {"Pencil", "Crayon"}, {"Paperclip", "Trombone"},
		{"Scissors", "Ciseaux"}, {"Lock", "Cadenas"}, {"Key", "Clé"}, {"Hammer", "Marteau"}, {"Telephone", "Téléphone"}, {"Flag", "Drapeau"},
		{"Train", "Train"}, {"Bicycle", "Vélo"}, {"Aeroplane", "Avion"}, {"Rocket", "Fusée"}, {"Trophy", "Trophée"}, {"Ball", "Ballon"},
		{"Guitar", "Guitare"}, {"Trumpet", "Trompette"}, {"Bell", "Cloche"}, {"Anchor", "Ancre"}, {"Headphones", "Casque audio"},
		{"Folder", "Dossier"}, {"Pin", "Punaise"},
	}
	for _, name := range names {
		if name[0] == en {
			return name[1]
		}
	}
	return en
}
