-- The first schema. DO NOT EDIT once released: add a migration.
-- {{id}}, {{bytes}} are the two words in which SQLite and PostgreSQL differ;
-- what stands between {{sqlite}} or {{postgres}} and {{both}} is for one alone.
-- Times are BIGINT milliseconds UTC, 0 for never; booleans are BOOLEAN.

CREATE TABLE lease (
	name TEXT PRIMARY KEY,
	holder TEXT NOT NULL,
	epoch BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	address TEXT NOT NULL DEFAULT ''
);

CREATE TABLE adapter_state (
	adapter TEXT NOT NULL,
	key TEXT NOT NULL,
	value {{bytes}} NOT NULL,
	PRIMARY KEY (adapter, key)
);

CREATE TABLE source_cursor (
	adapter TEXT NOT NULL,
	name TEXT NOT NULL,
	value TEXT NOT NULL,
	PRIMARY KEY (adapter, name)
);

-- Originals and files, in chunks of at most 256 KiB.
CREATE TABLE blob (
	hash TEXT PRIMARY KEY,
	size BIGINT NOT NULL,
	complete BOOLEAN NOT NULL,
	created_at BIGINT NOT NULL
);
CREATE TABLE blob_chunk (
	hash TEXT NOT NULL REFERENCES blob (hash) ON DELETE CASCADE,
	seq BIGINT NOT NULL,
	data {{bytes}} NOT NULL,
	PRIMARY KEY (hash, seq)
);

-- What arrived: state 0 waits, 1 decided, 2 set aside with a reason.
CREATE TABLE inbox (
	id {{id}},
	adapter TEXT NOT NULL,
	room TEXT NOT NULL,
	event_id TEXT NOT NULL,
	revision TEXT NOT NULL,
	kind TEXT NOT NULL,
	body TEXT NOT NULL,
	raw_hash TEXT NOT NULL DEFAULT '',
	received_at BIGINT NOT NULL,
	state BIGINT NOT NULL DEFAULT 0,
	reason TEXT NOT NULL DEFAULT '',
	UNIQUE (adapter, room, event_id, revision)
);
CREATE INDEX inbox_waiting ON inbox (id) WHERE state = 0;
CREATE INDEX inbox_aside ON inbox (id) WHERE state = 2;
CREATE INDEX inbox_raw ON inbox (raw_hash) WHERE raw_hash <> '';

CREATE TABLE person (
	id {{id}},
	name TEXT NOT NULL,
	language TEXT NOT NULL DEFAULT '',
	created_at BIGINT NOT NULL
);
CREATE TABLE identity (
	network TEXT NOT NULL,
	account TEXT NOT NULL,
	person BIGINT NOT NULL REFERENCES person (id),
	name TEXT NOT NULL DEFAULT '',
	handle TEXT NOT NULL DEFAULT '',
	proved BOOLEAN NOT NULL DEFAULT FALSE,
	-- name and handle in lower case, for finding
	name_key TEXT NOT NULL DEFAULT '',
	handle_key TEXT NOT NULL DEFAULT '',
	PRIMARY KEY (network, account)
);
CREATE INDEX identity_person ON identity (person);
CREATE INDEX identity_name ON identity (network, name_key);
CREATE INDEX identity_handle ON identity (network, handle_key);
CREATE TABLE desk_role (
	desk TEXT NOT NULL,
	person BIGINT NOT NULL REFERENCES person (id),
	role TEXT NOT NULL,
	given_by BIGINT NOT NULL,
	given_at BIGINT NOT NULL,
	PRIMARY KEY (desk, person)
);
-- What somebody's commands in a place are about, until said otherwise.
CREATE TABLE focus (
	person BIGINT NOT NULL,
	adapter TEXT NOT NULL,
	room TEXT NOT NULL,
	ticket_id BIGINT NOT NULL,
	PRIMARY KEY (person, adapter, room)
);

CREATE TABLE ticket (
	id {{id}},
	desk TEXT NOT NULL,
	subject TEXT NOT NULL,
	state TEXT NOT NULL,
	requester BIGINT NOT NULL,
	owner BIGINT NOT NULL DEFAULT 0,
	service TEXT NOT NULL DEFAULT '',
	shared BOOLEAN NOT NULL DEFAULT FALSE,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	asked_at BIGINT NOT NULL DEFAULT 0,
	answered_at BIGINT NOT NULL DEFAULT 0,
	closed_at BIGINT NOT NULL DEFAULT 0,
	waiting_since BIGINT NOT NULL DEFAULT 0,
	last_asker BIGINT NOT NULL DEFAULT 0,
	last_link BIGINT NOT NULL DEFAULT 0,
	related BIGINT NOT NULL DEFAULT 0,
	incident BIGINT NOT NULL DEFAULT 0,
	claim_until BIGINT NOT NULL DEFAULT 0,
	first_entry BIGINT NOT NULL DEFAULT 0,
	hints TEXT NOT NULL DEFAULT '',
	last_event TEXT NOT NULL DEFAULT ''
);
CREATE INDEX ticket_open ON ticket (desk, updated_at) WHERE state <> 'closed';
CREATE INDEX ticket_desk ON ticket (desk, updated_at);
CREATE INDEX ticket_updated ON ticket (updated_at);
CREATE INDEX ticket_requester ON ticket (requester, updated_at);
CREATE INDEX ticket_requester_open ON ticket (requester, id) WHERE state <> 'closed';
CREATE INDEX ticket_owner ON ticket (owner, updated_at) WHERE owner <> 0;
CREATE INDEX ticket_incident ON ticket (incident, id) WHERE incident <> 0;

CREATE TABLE participant (
	ticket_id BIGINT NOT NULL REFERENCES ticket (id),
	person BIGINT NOT NULL REFERENCES person (id),
	part TEXT NOT NULL,
	link_id BIGINT NOT NULL,
	PRIMARY KEY (ticket_id, person)
);
CREATE INDEX participant_person ON participant (person);

CREATE TABLE entry (
	id {{id}},
	ticket_id BIGINT NOT NULL DEFAULT 0,
	incident_id BIGINT NOT NULL DEFAULT 0,
	kind TEXT NOT NULL,
	audience BIGINT NOT NULL,
	author BIGINT NOT NULL DEFAULT 0,
	author_name TEXT NOT NULL DEFAULT '',
	body TEXT NOT NULL,
	folded TEXT NOT NULL DEFAULT '',
	subject TEXT NOT NULL DEFAULT '',
	revision BIGINT NOT NULL DEFAULT 1,
	deleted BOOLEAN NOT NULL DEFAULT FALSE,
	at BIGINT NOT NULL,
	dated BIGINT NOT NULL DEFAULT 0,
	source BIGINT NOT NULL DEFAULT 0,
	link_id BIGINT NOT NULL DEFAULT 0,
	third BOOLEAN NOT NULL DEFAULT FALSE,
	raw_hash TEXT NOT NULL DEFAULT '',
	sealed BOOLEAN NOT NULL DEFAULT FALSE
);
CREATE INDEX entry_ticket ON entry (ticket_id, id) WHERE ticket_id <> 0;
CREATE INDEX entry_incident ON entry (incident_id, id) WHERE incident_id <> 0;
CREATE INDEX entry_source ON entry (source) WHERE source <> 0;
CREATE INDEX entry_asked ON entry (author, at) WHERE kind = 'message';
CREATE INDEX entry_raw ON entry (raw_hash) WHERE raw_hash <> '';
-- Earlier bodies of an entry.
CREATE TABLE entry_revision (
	entry_id BIGINT NOT NULL REFERENCES entry (id),
	revision BIGINT NOT NULL,
	body TEXT NOT NULL,
	at BIGINT NOT NULL,
	PRIMARY KEY (entry_id, revision)
);
-- A folded copy of the words, for search without regard to case and accents;
-- rowid is the entry's ID. Where secure-delete is set, an erased word leaves
-- the index at once.
{{sqlite}}
CREATE VIRTUAL TABLE entry_words USING fts5 (words, tokenize = 'unicode61 remove_diacritics 0', detail = none);
INSERT INTO entry_words (entry_words, rank) VALUES ('secure-delete', 1);
{{postgres}}
CREATE TABLE entry_words (
	rowid BIGINT PRIMARY KEY REFERENCES entry (id),
	words TEXT NOT NULL
);
CREATE INDEX entry_words_search ON entry_words USING gin (to_tsvector('simple', words));
{{both}}

CREATE TABLE reply (
	entry_id BIGINT PRIMARY KEY REFERENCES entry (id),
	ticket_id BIGINT NOT NULL REFERENCES ticket (id),
	source BIGINT NOT NULL,
	state TEXT NOT NULL,
	by_person BIGINT NOT NULL,
	approved_by BIGINT NOT NULL DEFAULT 0,
	link_id BIGINT NOT NULL,
	close_after BOOLEAN NOT NULL DEFAULT FALSE,
	asked TEXT NOT NULL DEFAULT '',
	hold_until BIGINT NOT NULL DEFAULT 0,
	created_at BIGINT NOT NULL,
	gesture TEXT NOT NULL DEFAULT ''
);
CREATE INDEX reply_source ON reply (source);
CREATE INDEX reply_open ON reply (ticket_id) WHERE state IN ('gathering', 'asked', 'proposed', 'held', 'leaving');
CREATE INDEX reply_held ON reply (hold_until) WHERE state = 'held';

CREATE TABLE link (
	id {{id}},
	ticket_id BIGINT NOT NULL DEFAULT 0,
	incident_id BIGINT NOT NULL DEFAULT 0,
	kind TEXT NOT NULL,
	adapter TEXT NOT NULL,
	room TEXT NOT NULL,
	thread TEXT NOT NULL DEFAULT '',
	audiences BIGINT NOT NULL,
	person BIGINT NOT NULL DEFAULT 0,
	rootless BOOLEAN NOT NULL DEFAULT FALSE,
	root_delivery BIGINT NOT NULL DEFAULT 0,
	gone BOOLEAN NOT NULL DEFAULT FALSE,
	message_id TEXT NOT NULL DEFAULT '',
	refs TEXT NOT NULL DEFAULT '',
	created_at BIGINT NOT NULL
);
CREATE INDEX link_place ON link (adapter, room, thread, id);
CREATE UNIQUE INDEX link_room ON link (adapter, room, thread) WHERE kind = 'room';
CREATE INDEX link_direct ON link (person, adapter, id) WHERE kind = 'direct';
CREATE INDEX link_ticket ON link (ticket_id) WHERE ticket_id <> 0;
CREATE INDEX link_incident ON link (incident_id) WHERE incident_id <> 0;

CREATE TABLE copy (
	id {{id}},
	entry_id BIGINT NOT NULL,
	link_id BIGINT NOT NULL,
	adapter TEXT NOT NULL,
	room TEXT NOT NULL,
	remote_id TEXT NOT NULL,
	part BIGINT NOT NULL DEFAULT 0,
	revision BIGINT NOT NULL DEFAULT 1,
	original BOOLEAN NOT NULL DEFAULT FALSE,
	message_id TEXT NOT NULL DEFAULT '',
	at BIGINT NOT NULL,
	UNIQUE (adapter, room, remote_id)
);
CREATE INDEX copy_entry ON copy (entry_id);
CREATE INDEX copy_message_id ON copy (message_id) WHERE message_id <> '';

CREATE TABLE file (
	id {{id}},
	entry_id BIGINT NOT NULL,
	name TEXT NOT NULL,
	type TEXT NOT NULL,
	size BIGINT NOT NULL,
	adapter TEXT NOT NULL,
	ref TEXT NOT NULL,
	content_id TEXT NOT NULL DEFAULT '',
	blob_hash TEXT NOT NULL DEFAULT '',
	state TEXT NOT NULL,
	attempts BIGINT NOT NULL DEFAULT 0,
	next_at BIGINT NOT NULL DEFAULT 0,
	reason TEXT NOT NULL DEFAULT ''
);
CREATE INDEX file_entry ON file (entry_id);
CREATE INDEX file_wanted ON file (next_at) WHERE state = 'wanted';
CREATE INDEX file_blob ON file (blob_hash) WHERE blob_hash <> '';
-- /f/<token>: only the token's hash is kept.
CREATE TABLE file_token (
	token_hash TEXT PRIMARY KEY,
	file_id BIGINT NOT NULL REFERENCES file (id),
	expires_at BIGINT NOT NULL
);
CREATE INDEX file_token_file ON file_token (file_id);
CREATE INDEX file_token_expires ON file_token (expires_at);

-- Texts leave in order of position within their link; state has one row per
-- (link, slot), overwritten by the newest. Position 0 stands for the ID.
CREATE TABLE delivery (
	id {{id}},
	link_id BIGINT NOT NULL REFERENCES link (id),
	adapter TEXT NOT NULL,
	entry_id BIGINT NOT NULL DEFAULT 0,
	reply_id BIGINT NOT NULL DEFAULT 0,
	ticket_id BIGINT NOT NULL DEFAULT 0,
	incident_id BIGINT NOT NULL DEFAULT 0,
	op TEXT NOT NULL,
	slot TEXT NOT NULL DEFAULT '',
	key TEXT NOT NULL UNIQUE,
	payload TEXT NOT NULL,
	revision BIGINT NOT NULL DEFAULT 1,
	position BIGINT NOT NULL DEFAULT 0,
	state TEXT NOT NULL,
	attempts BIGINT NOT NULL DEFAULT 0,
	next_at BIGINT NOT NULL DEFAULT 0,
	give_up_at BIGINT NOT NULL DEFAULT 0,
	after_delivery BIGINT NOT NULL DEFAULT 0,
	parts TEXT NOT NULL DEFAULT '',
	reason TEXT NOT NULL DEFAULT '',
	created_at BIGINT NOT NULL,
	done_at BIGINT NOT NULL DEFAULT 0,
	-- The network told that it was really said.
	confirmed BOOLEAN NOT NULL DEFAULT FALSE
);
CREATE INDEX delivery_open ON delivery (id) WHERE state IN ('held', 'ready', 'parked');
CREATE INDEX delivery_link ON delivery (link_id, id) WHERE state IN ('held', 'ready', 'parked');
CREATE UNIQUE INDEX delivery_slot ON delivery (link_id, slot) WHERE slot <> '';
CREATE INDEX delivery_reply ON delivery (reply_id) WHERE reply_id <> 0;
CREATE INDEX delivery_entry ON delivery (entry_id) WHERE entry_id <> 0;
CREATE INDEX delivery_incident ON delivery (incident_id) WHERE incident_id <> 0;
CREATE INDEX delivery_failed ON delivery (id) WHERE state = 'failed';
CREATE TABLE recipient (
	delivery_id BIGINT NOT NULL REFERENCES delivery (id),
	address TEXT NOT NULL,
	state TEXT NOT NULL,
	reason TEXT NOT NULL DEFAULT '',
	attempts BIGINT NOT NULL DEFAULT 0,
	PRIMARY KEY (delivery_id, address)
);

-- What is due later and is no delivery: an end of hold lives in reply, a claim
-- that lapses or a reminder here.
CREATE TABLE timer (
	name TEXT PRIMARY KEY,
	kind TEXT NOT NULL,
	due_at BIGINT NOT NULL,
	ticket_id BIGINT NOT NULL DEFAULT 0,
	incident_id BIGINT NOT NULL DEFAULT 0,
	body TEXT NOT NULL DEFAULT ''
);
CREATE INDEX timer_due ON timer (due_at);

-- Addresses that automatic mail no longer goes to, and when it last went.
CREATE TABLE mail_peer (
	address TEXT NOT NULL,
	desk TEXT NOT NULL,
	acknowledged_at BIGINT NOT NULL DEFAULT 0,
	muted_until BIGINT NOT NULL DEFAULT 0,
	PRIMARY KEY (address, desk)
);

CREATE TABLE service (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL
);
CREATE TABLE service_access (
	service TEXT NOT NULL REFERENCES service (id),
	person BIGINT NOT NULL REFERENCES person (id),
	PRIMARY KEY (service, person)
);

-- Incidents and planned work share one sequence.
CREATE TABLE incident (
	id {{id}},
	uid TEXT NOT NULL UNIQUE,
	kind TEXT NOT NULL,
	title TEXT NOT NULL,
	lang TEXT NOT NULL DEFAULT '',
	state TEXT NOT NULL,
	impact TEXT NOT NULL,
	started_at BIGINT NOT NULL DEFAULT 0,
	noticed_at BIGINT NOT NULL DEFAULT 0,
	published_at BIGINT NOT NULL DEFAULT 0,
	resolved_at BIGINT NOT NULL DEFAULT 0,
	scheduled_for BIGINT NOT NULL DEFAULT 0,
	scheduled_until BIGINT NOT NULL DEFAULT 0,
	next_word_at BIGINT NOT NULL DEFAULT 0,
	sequence BIGINT NOT NULL DEFAULT 0,
	cancelled BOOLEAN NOT NULL DEFAULT FALSE,
	updated_at BIGINT NOT NULL,
	-- private: where it was started, by whom
	team_adapter TEXT NOT NULL DEFAULT '',
	team_room TEXT NOT NULL DEFAULT '',
	team_thread TEXT NOT NULL DEFAULT '',
	author BIGINT NOT NULL DEFAULT 0,
	ended_everywhere_at BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX incident_open ON incident (id) WHERE resolved_at = 0;
CREATE INDEX incident_updated ON incident (updated_at);
CREATE INDEX incident_published ON incident (published_at);
CREATE TABLE incident_component (
	incident_id BIGINT NOT NULL REFERENCES incident (id),
	component TEXT NOT NULL,
	name TEXT NOT NULL,
	status TEXT NOT NULL,
	PRIMARY KEY (incident_id, component)
);
CREATE TABLE incident_update (
	id {{id}},
	uid TEXT NOT NULL UNIQUE,
	incident_id BIGINT NOT NULL REFERENCES incident (id),
	entry_id BIGINT NOT NULL DEFAULT 0,
	state TEXT NOT NULL,
	body TEXT NOT NULL,
	lang TEXT NOT NULL DEFAULT '',
	published_at BIGINT NOT NULL,
	edited_at BIGINT NOT NULL DEFAULT 0,
	scheduled_for BIGINT NOT NULL DEFAULT 0,
	scheduled_until BIGINT NOT NULL DEFAULT 0,
	author BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX incident_update_incident ON incident_update (incident_id, id);
CREATE INDEX incident_update_entry ON incident_update (entry_id) WHERE entry_id <> 0;
-- Titles and texts in further languages, beside the one first written.
CREATE TABLE incident_title (
	incident_id BIGINT NOT NULL REFERENCES incident (id),
	lang TEXT NOT NULL,
	body TEXT NOT NULL,
	published_at BIGINT NOT NULL,
	edited_at BIGINT NOT NULL DEFAULT 0,
	PRIMARY KEY (incident_id, lang)
);
CREATE TABLE update_text (
	update_id BIGINT NOT NULL REFERENCES incident_update (id),
	lang TEXT NOT NULL,
	body TEXT NOT NULL,
	published_at BIGINT NOT NULL,
	edited_at BIGINT NOT NULL DEFAULT 0,
	PRIMARY KEY (update_id, lang)
);

-- For the team alone. What was done about a ticket for the sake of an incident:
-- the team was offered to attach it, it was answered when that had ended.
-- Whether it is attached stands in the ticket.
CREATE TABLE incident_ticket (
	incident_id BIGINT NOT NULL REFERENCES incident (id),
	ticket_id BIGINT NOT NULL REFERENCES ticket (id),
	offered_at BIGINT NOT NULL DEFAULT 0,
	answered_at BIGINT NOT NULL DEFAULT 0,
	-- 0 where it could not be answered
	reply_id BIGINT NOT NULL DEFAULT 0,
	PRIMARY KEY (incident_id, ticket_id)
);
-- The one answer to all who asked about an incident; the words are an entry of
-- the incident.
CREATE TABLE incident_answer (
	incident_id BIGINT PRIMARY KEY REFERENCES incident (id),
	entry_id BIGINT NOT NULL REFERENCES entry (id),
	sent_by BIGINT NOT NULL DEFAULT 0,
	sent_at BIGINT NOT NULL DEFAULT 0,
	unread BOOLEAN NOT NULL DEFAULT FALSE
);
-- Announcements that were shown to their author and wait to be published; the
-- words are those typed.
CREATE TABLE draft (
	id {{id}},
	person BIGINT NOT NULL,
	verb TEXT NOT NULL,
	number BIGINT NOT NULL DEFAULT 0,
	body TEXT NOT NULL,
	lang TEXT NOT NULL,
	-- of the incident when it was shown
	seen_at BIGINT NOT NULL DEFAULT 0,
	created_at BIGINT NOT NULL,
	-- where it was shown, and by which delivery
	adapter TEXT NOT NULL,
	room TEXT NOT NULL,
	thread TEXT NOT NULL DEFAULT '',
	delivery_id BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX draft_person ON draft (person);
