import type { Mutant } from "./mutant.ts";

/** Rules by which an alert arrives once, in order, and nowhere it should not. */
const MIGRATION = "migrations/0015_alerts.sql";
const OUTBOX = "test/integration/activities/alerts/outbox.test.ts";
const CHANNELS = "test/contract/alert-channels.test.ts";
const GUARD = { file: "activities/alerts/address-guard.ts", test: "test/unit/activities/alerts/address-guard.test.ts" } as const;
const PACE = { file: "activities/governance/signal-pace.ts", test: "test/unit/activities/governance/signal-pace.test.ts" } as const;
const RAISE = { file: MIGRATION, within: "CREATE FUNCTION tollgate.raise_alert(", test: OUTBOX } as const;
const CLAIM = { file: MIGRATION, within: "CREATE FUNCTION tollgate.claim_alert_deliveries(", test: OUTBOX } as const;

const CONDITIONS = { file: "migrations/0019_gateway_alerts.sql", test: "test/integration/activities/alerts/gateway-conditions.test.ts" } as const;
const WATCH = { ...CONDITIONS, within: "CREATE FUNCTION tollgate.watch_conditions(" } as const;
const OVERRUNS = { ...CONDITIONS, within: "CREATE FUNCTION tollgate.watch_overruns(" } as const;

export const ALERT_MUTANTS: readonly Mutant[] = [
	{
		rule: "an alert is made once by its key",
		...RAISE,
		from: "ON CONFLICT (alert_key) DO NOTHING RETURNING seq INTO v_seq;",
		to: "RETURNING seq INTO v_seq;",
		also: "ALTER TABLE tollgate.alert DROP CONSTRAINT alert_alert_key_key, DROP CONSTRAINT alert_id_key",
		titles: ["asked for by many at once is made once"],
	},
	{
		rule: "the id of an alert is made of its key",
		...RAISE,
		from: "encode(sha256(convert_to(p_key, 'UTF8')), 'hex')",
		to: "md5(random()::text)",
		titles: ["is made once by its key, with the same id whenever it is made, and goes where routes of its team and of the organisation say"],
	},
	{
		rule: "alerts of a team and subject are numbered in the order of their commits",
		...RAISE,
		from: "  PERFORM pg_advisory_xact_lock(718204015, hashtext(p_team || ' ' || p_subject)); -- numbers in the order of commits\n",
		to: "",
		titles: ["is numbered in the order of commits within its team and subject"],
	},
	{
		rule: "whoever was told of something is told of its end",
		...RAISE,
		from: "    WHERE a.resolved_by = v_id\n",
		to: "    WHERE false\n",
		titles: ["is told to whoever was told of it, whatever the routes say, and marks it"],
	},
	{
		rule: "a later alert waits for an earlier one of its budget",
		...CLAIM,
		from: " AND e.state = 'waiting' AND e.alert_seq < d.alert_seq)",
		to: " AND false)",
		titles: ["keeps the order of a team and subject: a later alert waits for an earlier one, others do not"],
	},
	{
		rule: "what one worker has claimed no other sends",
		...CLAIM,
		from: "SET busy_until = clock_timestamp() + p_claim_ms * interval '1 millisecond', claimed_by",
		to: "SET claimed_by",
		titles: [
			"is claimed by one of two workers",
			"of a worker that died between sending and recording goes out again under the same id, marked as a possible repeat",
		],
	},
	{
		rule: "a claim holds while its worker lives",
		file: MIGRATION,
		within: "CREATE FUNCTION tollgate.living_deliverers(",
		from: "coalesce(array_agg(objid::bigint::integer), '{}')",
		to: "'{}'::integer[]",
		test: OUTBOX,
		titles: ["keeps the order of a team and subject: a later alert waits for an earlier one, others do not"],
	},
	{
		rule: "a try of which nothing is known may have arrived",
		...CLAIM,
		from: ", may_have_arrived = true\n",
		to: "\n",
		titles: ["of a worker that died between sending and recording goes out again under the same id, marked as a possible repeat"],
	},
	{
		rule: "an end is not overtaken by what is told again",
		...CLAIM,
		from: " AND NOT (c.resending_until > clock_timestamp() AND c.resending_by = ANY (v_living)) AND EXISTS",
		to: " AND EXISTS",
		titles: ["is not overtaken by its own end: nothing else is sent there meanwhile"],
	},
	{
		rule: "what was given up is not sent after its end",
		file: MIGRATION,
		within: "CREATE FUNCTION tollgate.retry_dead_alerts(",
		from: "c.name IS NULL OR EXISTS (",
		to: "c.name IS NULL OR false AND EXISTS (",
		test: OUTBOX,
		titles: ["is not sent again where its end was told: it would fire there for ever"],
	},
	{
		rule: "an announcement and its alert are one",
		file: MIGRATION,
		within: "CREATE FUNCTION tollgate.record_event(",
		from: "  PERFORM tollgate.alert_of_event(p_key, p_team, p_event, p_detail);\n",
		to: "",
		test: "test/integration/activities/alerts/sources.test.ts",
		titles: ["makes its alert in the same statement and once, with the end of the window"],
	},
	{
		rule: "two workers that see the same condition make one alert",
		...WATCH,
		from: "|| '|' || v_row.earlier,",
		to: "|| '|' || gen_random_uuid(),",
		titles: ["two workers that see the same at the same time make one alert"],
	},
	{
		rule: "two workers that see the same overrun make one alert",
		...OVERRUNS,
		from: "|| '|' || e.earlier AS new_key",
		to: "|| '|' || gen_random_uuid() AS new_key",
		titles: ["two workers that see the same at the same time make one alert"],
	},
	{
		rule: "an overrun of a window that is over is told of once",
		...OVERRUNS,
		from: " AND (o.ends_at > now() OR e.earlier = 0)",
		to: "",
		titles: ["is over with its window, and is not told of again"],
	},
	{
		rule: "an overrun that a person cleared is over",
		...OVERRUNS,
		from: " AND x.overrun > w.overrun_cleared",
		to: "",
		titles: ["is one alert, which ends when a person clears it; a further overrun is another"],
	},
	{
		rule: "a condition that comes again is another alert",
		...WATCH,
		from: "coalesce(max(a.seq), 0)",
		to: "0",
		titles: ["says so with its heartbeat: one alert for its identity, however often two fight over it, over after a quiet hour"],
	},
	{
		rule: "a gateway that comes and goes is one alert",
		...CONDITIONS,
		within: "CREATE FUNCTION tollgate.silent_gateways(",
		from: "interval '15 minutes'",
		to: "interval '1 second'",
		titles: ["that comes and goes is one alert, over when it was not silent for a quarter of an hour"],
	},
	{
		rule: "two processes that fight over one name are one alert",
		...CONDITIONS,
		within: "CREATE FUNCTION tollgate.fenced_gateways(",
		from: "interval '1 hour'",
		to: "interval '1 second'",
		titles: ["says so with its heartbeat: one alert for its identity, however often two fight over it, over after a quiet hour"],
	},
	{
		rule: "a gateway that closed its epoch itself was not fenced",
		...CONDITIONS,
		within: "CREATE FUNCTION tollgate.note_fenced(",
		from: "closed_how = 'drained'",
		to: "closed_how = 'never'",
		titles: ["is none when it closed its epoch itself and a heartbeat was under way"],
	},
	{
		rule: "nothing is sent to a private address without leave",
		...GUARD,
		from: "		refuseForbidden(addresses, options.allowPrivate);\n",
		to: "",
		titles: ["that a name leads to"],
	},
	{
		rule: "one private address of a name is enough to refuse it",
		...GUARD,
		from: "addresses.every(isPublicAddress)",
		to: "addresses.some(isPublicAddress)",
		titles: ["that a name leads to beside a public one"],
	},
	{
		rule: "the address that was judged is the one connected to",
		...GUARD,
		from: "hostname: address, host: address, ...name",
		to: "hostname, host: hostname, ...name",
		titles: ["a private address is delivered to, under the name it was given"],
	},
	{
		rule: "what lies outside of the IPv6 that is given out is nobody's",
		...GUARD,
		from: ' && (parsed.kind() === "ipv4" || parsed.match(ipaddr.parse(GLOBAL_UNICAST), 3))',
		to: "",
		titles: ["the address ::7f00:1 is everybody's, or not"],
	},
	{
		rule: "the time of a webhook is signed",
		file: "activities/alerts/webhook.ts",
		from: "{timestamp}.$",
		to: "{message.id}.$",
		test: CHANNELS,
		titles: ["is signed under one id on every try, with the same body", "is checked by the ten lines of docs/alerts.md, and nothing else is"],
	},
	{
		rule: "what a receiver repeats of our secrets is not kept",
		file: "activities/alerts/answer.ts",
		from: 'text.replaceAll(secret, "[redacted]")',
		to: "text",
		test: CHANNELS,
		titles: ["that repeats our secrets, or answers without end, leaves none of it in what is kept"],
	},
	{
		rule: "a text mentions nobody in Slack",
		file: "activities/alerts/slack.ts",
		from: '.replaceAll("<", "&lt;")',
		to: "",
		test: CHANNELS,
		titles: ["shows money as dollars, the runbook as a link, and mentions nobody"],
	},
	{
		rule: "what Tollgate keeps for itself is read for no channel",
		file: "config/alert-secrets.ts",
		from: "!(variable in environmentSchema.shape) && !KEPT_BY_OTHERS.test(variable)",
		to: "!KEPT_BY_OTHERS.test(variable)",
		test: "test/unit/config/alert-secrets.test.ts",
		titles: ["what Tollgate and its providers keep is read for no channel: settings, keys, and files of the home, by link neither"],
	},
	{
		rule: "no second has more than fifty signals",
		...PACE,
		from: "taken === undefined ? nowMs : taken + SPAN_MS",
		to: "nowMs",
		titles: ["however much moved, ten crossings find a place at once"],
	},
	{
		rule: "what moved leaves room for crossings",
		...PACE,
		from: "isCrossing ? SIGNALS_PER_SECOND : ORDINARY_SIGNALS_PER_SECOND",
		to: "SIGNALS_PER_SECOND",
		titles: ["however much moved, ten crossings find a place at once"],
	},
];
