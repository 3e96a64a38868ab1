/** Zones whose days are of every kind: half hours, no midnight, a day left out, clocks turned back by half an hour. */
export const AWKWARD_ZONES = [
	"UTC",
	"Europe/Berlin",
	"America/New_York",
	"America/Havana",
	"Africa/Cairo",
	"Asia/Beirut",
	"Asia/Kathmandu",
	"Australia/Lord_Howe",
	"Pacific/Apia",
	"Pacific/Chatham",
	"America/St_Johns",
	"America/Santiago",
	"Asia/Tokyo",
];
