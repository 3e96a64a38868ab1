/** The rules of the SQL functions that hold the money (migrations/), each with the check that finds it gone. */
export type SqlMutant = {
	readonly rule: string;
	/** The function the edit is made in. */
	readonly within: string;
	readonly from: string;
	readonly to: string;
	/** A statement without which the edited function could not run. */
	readonly also?: string;
	readonly check: CheckName;
};

export type CheckName = keyof typeof SQL_CHECKS;

/** Titles of the tests in test/integration/authority/mutations.test.ts that run each check on the functions as they are. */
export const SQL_CHECKS = {
	compareHistories: "agree with the model",
	raceForMoney: "serve exactly what fits, however slow",
	honourClaims: "honour claims",
	replaceClaims: "replace claims",
	dropClaims: "drop claims",
	claimWhatIsShort: "claim what is short",
	forgetStaleClaims: "forget stale claims",
	bookLateOverrun: "book a late overrun beside the lump",
	numberChangesInOrder: "number changes in the order of their commits",
	registerOneBoot: "register one of two boots",
	showClaimsInOrder: "show claims in the order of their ids",
	guardTheLimit: "raise no lease above the limit",
	openNextOnce: "open the next window once",
	outliveLateHeartbeats: "take back nothing for a heartbeat that comes late",
	tellOpenClaims: "tell of the claims of others that still stand",
	standInLine: "stand in line for a budget",
	tellOfOthers: "tell who else holds money when a call has to wait",
	answerWhatWasReturned: "take no claim for answered where nothing was returned",
} as const;

/** What a check may fail with besides an expectation of its own. */
export const SQL_CHECKS_FAIL_BY: Partial<Record<CheckName, string>> = {
	compareHistories: "disagrees at",
	raceForMoney: "above its limit",
	numberChangesInOrder: "duplicate key",
	registerOneBoot: "duplicate key",
	openNextOnce: "duplicate key",
};

export const SQL_MUTANTS: readonly SqlMutant[] = [
	{
		rule: "a grant locks its windows before it reads them",
		within: "grant_lease",
		from: "ORDER BY id FOR NO KEY UPDATE;",
		to: "ORDER BY id;",
		check: "raceForMoney",
	},
	{
		rule: "a fenced or closed epoch is granted nothing",
		within: "grant_lease",
		from: "IF NOT FOUND THEN RETURN json_build_object('fenced', true); END IF;",
		to: "",
		check: "compareHistories",
	},
	{
		rule: "an attempt is booked once",
		within: "settle_chunk",
		from: "ON CONFLICT DO NOTHING RETURNING entry_key",
		to: "RETURNING entry_key",
		also: "ALTER TABLE tollgate.entry_key DROP CONSTRAINT entry_key_pkey",
		check: "compareHistories",
	},
	{
		rule: "a grant leaves room for earlier claims",
		within: "grant_lease",
		from: "CASE WHEN p_is_final THEN 0 ELSE v_claimed[i] END",
		to: "0",
		check: "honourClaims",
	},
	{ rule: "a new ask leaves a new claim", within: "grant_lease", from: " AND NOT p_is_new_ask;", to: ";", check: "replaceClaims" },
	{
		rule: "a new claim keeps the place of the old one",
		within: "grant_lease",
		from: "CASE WHEN c.expires_at > clock_timestamp() THEN c.place ELSE excluded.id END",
		to: "excluded.id",
		check: "replaceClaims",
	},
	{
		rule: "a claim that stands for another call stays",
		within: "grant_lease",
		from: "ELSIF p_drops_claims AND v_has_claim[i] THEN",
		to: "ELSE",
		check: "dropClaims",
	},
	{
		rule: "a claim counts idle money once",
		within: "grant_lease",
		from: "v_need - greatest(0, v_mine[i] - v_used[i])",
		to: "v_need - v_mine[i]",
		check: "claimWhatIsShort",
	},
	{
		rule: "a claim covers every short window",
		within: "grant_lease",
		from: "IF v_short[i] = 0 AND",
		to: "IF c = 2 AND v_short[i] = 0 AND",
		check: "claimWhatIsShort",
	},
	{
		rule: "a claim that ran out gives no place",
		within: "grant_lease",
		from: "AND m.window_id = w.id AND m.expires_at > clock_timestamp()",
		to: "AND m.window_id = w.id",
		check: "forgetStaleClaims",
	},
	{
		rule: "a threshold below the limit restricts",
		within: "grant_lease",
		from: "least(w.limit_amount, w.stop_amount) - w.granted",
		to: "w.limit_amount - w.granted",
		check: "compareHistories",
	},
	{
		rule: "what a lost reply granted counts first",
		within: "grant_lease",
		from: "q.idle + greatest(0, coalesce(l.granted, 0) - q.base)",
		to: "q.idle",
		check: "compareHistories",
	},
	{
		rule: "an overrun stops the grants of its window",
		within: "grant_lease",
		from: "s.overrun > w.overrun_cleared AS",
		to: "s.overrun > w.overrun_cleared + 1000000 AS",
		check: "compareHistories",
	},
	{
		rule: "a call is served in all its windows or in none",
		within: "grant_lease",
		from: "        v_fits := false;\n",
		to: "        v_fits := i < n;\n",
		check: "compareHistories",
	},
	{
		rule: "a return is absolute",
		within: "return_idle",
		from: "least(p_return_to[array_position(p_windows, v_row.id)], granted - posted)",
		to: "least(returned + p_return_to[array_position(p_windows, v_row.id)], granted - posted)",
		check: "compareHistories",
	},
	{
		rule: "an overrun is not taken out of a lump",
		within: "settle_chunk",
		from: "ARRAY(SELECT greatest(0, a - v) FROM",
		to: "ARRAY(SELECT a FROM",
		check: "bookLateOverrun",
	},
	{
		rule: "changes are numbered one at a time",
		within: "record_change",
		from: "  PERFORM pg_advisory_xact_lock(718204001);\n",
		to: "",
		check: "numberChangesInOrder",
	},
	{
		rule: "a gateway is registered once at a time",
		within: "register_gateway",
		from: "  PERFORM pg_advisory_xact_lock(718204002, hashtext(p_gateway));\n",
		to: "",
		check: "registerOneBoot",
	},
	{
		rule: "claims appear in the order of their ids",
		within: "grant_lease",
		from: "      PERFORM pg_advisory_xact_lock(718204003); --",
		to: "      --",
		check: "showClaimsInOrder",
	},
	{
		rule: "no arithmetic grants above the limit",
		within: "raise_leases",
		from: "  IF FOUND THEN\n",
		to: "  IF false THEN\n",
		check: "guardTheLimit",
	},
	{
		rule: "a heartbeat that returned nothing answers no claim",
		within: "heartbeat",
		from: "CASE WHEN v_returned THEN greatest(answered_claim, p_answered_claim) ELSE answered_claim END",
		to: "greatest(answered_claim, p_answered_claim)",
		check: "answerWhatWasReturned",
	},
	{
		rule: "a boot is turned away while another one lives",
		within: "register_gateway",
		from: "AND last_seen_at > clock_timestamp() - interval '3 seconds' ",
		to: "AND false ",
		check: "registerOneBoot",
	},
	{
		rule: "a boot that is proven dead turns nobody away",
		within: "register_gateway",
		from: " AND NOT boot_id = ANY (p_proven_dead)",
		to: "",
		check: "registerOneBoot",
	},
	{
		rule: "the next window is opened by one at a time",
		within: "open_next_window",
		from: "SELECT * INTO v_budget FROM tollgate.budget WHERE id = p_budget_id FOR NO KEY UPDATE;",
		to: "SELECT * INTO v_budget FROM tollgate.budget WHERE id = p_budget_id;",
		check: "openNextOnce",
	},
	{
		rule: "a late return takes nothing back",
		within: "return_idle",
		from: " AND x.return_to > x.before",
		to: "",
		check: "outliveLateHeartbeats",
	},
	{
		rule: "a late heartbeat says no older revision",
		within: "heartbeat",
		from: "seen_revision = greatest(seen_revision, p_seen_revision)",
		to: "seen_revision = p_seen_revision",
		check: "outliveLateHeartbeats",
	},
	{
		rule: "nobody answers his own claim",
		within: "open_claims",
		from: " AND NOT (gateway_id = p_gateway AND epoch = p_epoch)",
		to: "",
		check: "tellOpenClaims",
	},
	{
		rule: "nobody answers a claim that ran out",
		within: "open_claims",
		from: "WHERE expires_at > clock_timestamp() AND",
		to: "WHERE",
		check: "tellOpenClaims",
	},
	{
		rule: "grants of a budget stand in line",
		within: "grant_lease",
		from: "  PERFORM pg_advisory_xact_lock(718204004, line.number) FROM (SELECT hashint8(id) AS number FROM unnest(p_budgets) AS id ORDER BY 1) AS line;\n",
		to: "",
		check: "standInLine",
	},
	{
		rule: "a call that waits is told who else holds money",
		within: "grant_lease",
		from: "false = ANY (v_served)",
		to: "false",
		check: "tellOfOthers",
	},
];
