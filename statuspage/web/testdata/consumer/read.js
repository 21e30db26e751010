// Reads a status page with the client library statuspage.io, written for
// Statuspage's own pages, and prints what it was given, each document under the
// name of the method that reads it. A state or an impact that the library does
// not know ends it.
"use strict";
const { Statuspage, IncidentImpact, IncidentStatus, MaintenanceStatus } = require(process.argv[2] + "/node_modules/statuspage.io");

function known(what, values, value) {
	if (!Object.values(values).includes(value)) {
		throw new Error(`${what}: ${JSON.stringify(value)}`);
	}
}

async function main() {
	const { api, setApiUrl } = client();
	setApiUrl(process.argv[3]);
	const read = {
		summary: await api.getSummary(),
		status: await api.getStatus(),
		components: await api.getComponents(),
		all: await api.incidents.getAll(),
		unresolved: await api.incidents.getUnresolved(),
		maintenances: await api.scheduledMaintenances.getAll(),
		upcoming: await api.scheduledMaintenances.getUpcoming(),
	};
	for (const { incidents = [], scheduled_maintenances: work = [] } of Object.values(read)) {
		for (const i of incidents) {
			known("status of " + i.id, IncidentStatus, i.status);
			known("impact of " + i.id, IncidentImpact, i.impact);
			i.incident_updates.forEach((u) => known("status of " + u.id, IncidentStatus, u.status));
		}
		for (const m of work) {
			known("status of " + m.id, MaintenanceStatus, m.status);
			m.incident_updates.forEach((u) => known("status of " + u.id, MaintenanceStatus, u.status));
		}
	}
	console.log(JSON.stringify(read));
}

function client() {
	const c = new Statuspage("kctbh9vrtdwd");
	return { api: c.api, setApiUrl: (url) => c.setApiUrl(url) };
}

main().catch((err) => {
	console.error(err);
	process.exit(1);
});
