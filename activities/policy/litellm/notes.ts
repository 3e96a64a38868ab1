import type { Cursor } from "../cursor.ts";

/** Why a field has no place in a policy, where more can be said than that. Every field that is not here gets `OTHERWISE`. */

const OTHERWISE = "has no equivalent in a policy";
const KEYS_ARE_MADE = "is about keys made later: give each its attributes under teams.….keys, and its budget under teams.….budgets with key: …";
const PER_USER = 'limits users that nobody has named yet: give a budget with user: … to those you know, or a rate with user: "*"';
const NEW_TEAMS = "is about teams that appear by themselves; here each is declared";
const SECRET = "is a secret or an address of LiteLLM's own; nothing of it is carried over or shown";
const LOGGING = "is about logs and traces; see docs/metrics.md and npx tollgate spend";
const CACHE = "is about a cache of answers, which there is none of";
const RETRIES = "is about retries and routing: here the deployments of an alias are tried in order, and only while nothing was sent";

const REASONS: Readonly<Record<string, string>> = {
	master_key: "is a secret; make admin keys with npx tollgate admin-key create",
	database_url: SECRET,
	salt_key: SECRET,
	redis_host: SECRET,
	redis_port: SECRET,
	redis_password: SECRET,
	redis_url: SECRET,
	environment_variables:
		"holds values of environment variables: set those you need where the gateways and the worker run; nothing of it is carried over or shown",
	max_user_budget: PER_USER,
	max_internal_user_budget: PER_USER,
	internal_user_budget_duration: PER_USER,
	max_end_user_budget: PER_USER,
	max_end_user_budget_id: PER_USER,
	default_max_internal_user_budget: PER_USER,
	default_internal_user_params: PER_USER,
	team_member_budget: PER_USER,
	team_member_rpm_limit: PER_USER,
	team_member_tpm_limit: PER_USER,
	default_key_generate_params: KEYS_ARE_MADE,
	upperbound_key_generate_params: KEYS_ARE_MADE,
	key_generation_settings: KEYS_ARE_MADE,
	default_team_params: NEW_TEAMS,
	litellm_jwtauth: NEW_TEAMS,
	provider_budget_config: "limits a provider over all teams: give each team a budget with provider: …",
	tag_budget_config: "limits by tag: features, users and environments are what calls are told apart by; give budgets by those",
	max_parallel_requests: "limits calls in flight of a deployment or of the whole proxy: give each team a rate with inFlight",
	global_max_parallel_requests: "limits calls in flight of the whole proxy: give each team a rate with inFlight",
	default_max_parallel_requests: "limits calls in flight of every deployment: give teams a rate with model: … and inFlight",
	fallbacks: RETRIES,
	default_fallbacks: RETRIES,
	context_window_fallbacks: RETRIES,
	content_policy_fallbacks: RETRIES,
	num_retries: RETRIES,
	retry_policy: RETRIES,
	routing_strategy: RETRIES,
	routing_strategy_args: RETRIES,
	allowed_fails: RETRIES,
	cooldown_time: RETRIES,
	request_timeout: "ends a call that takes long: set maxCallMs under teams.….settings, in milliseconds",
	timeout: "ends a call that takes long: set maxCallMs under teams.….settings, in milliseconds",
	stream_timeout: "ends a call that takes long: set maxCallMs under teams.….settings, in milliseconds",
	drop_params: "drops request fields a model does not know; here they are refused, or passed on with unknownFields: pass under teams.….settings",
	cache: CACHE,
	cache_params: CACHE,
	callbacks: LOGGING,
	success_callback: LOGGING,
	failure_callback: LOGGING,
	service_callbacks: LOGGING,
	json_logs: LOGGING,
	set_verbose: LOGGING,
	turn_off_message_logging: LOGGING,
	callback_settings: LOGGING,
	alerting_threshold: "is about calls that hang, which is no alert here; maxCallMs under teams.….settings ends them",
	alert_types: "names alerts of LiteLLM: the kinds of a route are those of docs/policy.md",
	alerting_args: "tunes alerts of LiteLLM",
	disable_budget_reservation: "switches reservations off, which cannot be done here",
	fail_closed_budget_enforcement: "is always so here",
	allow_requests_on_db_unavailable: "lets calls through unseen: outageAllowanceNanoUsd under teams.….settings keeps a bounded sum for an outage",
	budget_reset_time: "moves the hour at which budgets turn over; here it is midnight in their time zone",
	guardrails: "is about the content of calls, which is not looked at",
	mcp_servers: "is about tools, which do not pass through here",
	pass_through_endpoints: "opens paths without a budget check, which there are none of",
	models: "limits the models of the whole team: give each of its keys its models under teams.….keys",
	blocked: "stops a team: npx tollgate team freeze",
	members: "lists people: admin keys belong to people, virtual keys to teams",
	members_with_roles: "lists people: admin keys belong to people, virtual keys to teams",
	rpm: "limits one deployment: give teams a rate with model: … and requestsPerMinute",
	tpm: "limits one deployment: give teams a rate with model: … and tokensPerMinute",
	max_budget: "limits one deployment over all teams: give each team a budget with model: …",
	budget_duration: "belongs to a max_budget that is not carried over",
	input_cost_per_token: "is a price: npx tollgate price set, where it differs from the list",
	output_cost_per_token: "is a price: npx tollgate price set, where it differs from the list",
	api_base: "goes into TOLLGATE_PROVIDERS_FILE as the baseUrl of the provider",
	api_version: "goes into TOLLGATE_PROVIDERS_FILE as query api-version of the provider",
};

/** Fields that say nothing a policy would have to carry: names and remarks of LiteLLM's own. */
const NOTHING_LOST: ReadonlySet<string> = new Set([
	"id",
	"team_id",
	"team_alias",
	"description",
	"metadata",
	"spend",
	"budget_reset_at",
	"created_at",
	"updated_at",
]);

/** One note for the field and all that is in it. */
export function noteUncarried(name: string, value: Cursor): void {
	if (NOTHING_LOST.has(name) || value.isNothing()) return;
	value.fail(Object.hasOwn(REASONS, name) ? (REASONS[name] ?? OTHERWISE) : OTHERWISE);
}

/** Notes every field that nobody took. */
export function noteRest(fields: ReadonlyMap<string, Cursor>, taken: readonly string[]): void {
	for (const [name, value] of fields) if (!taken.includes(name)) noteUncarried(name, value);
}
