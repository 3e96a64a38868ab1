import { describe, expect, test } from "vitest";
import { type ImportedPolicy, importLitellm } from "#activities/policy/import-litellm.ts";
import { readPolicyFile, renderMistakes } from "#activities/policy/read-policy-file.ts";
import { writePolicyFile } from "#activities/policy/write-policy-file.ts";
import { exampleWorld } from "#test/support/policies.ts";

const CONFIG = `model_list:
  - model_name: gpt-4o
    litellm_params:
      model: azure/prod-4o
      api_base: https://west.example.com/CANARY
      api_key: os.environ/AZURE_WEST_KEY
      api_version: "2024-10-21"
      rpm: 480
    model_info:
      base_model: azure/gpt-4o
      input_cost_per_token: 0.0000025
  - model_name: gpt-4o
    litellm_params:
      model: azure/prod-4o
      api_base: https://east.example.com/CANARY
      api_key: sk-CANARY
  - model_name: gpt-4o
    litellm_params: { model: openai/gpt-4o, api_key: os.environ/OPENAI_API_KEY }
  - model_name: opus
    litellm_params: { model: claude-opus-5 }
  - model_name: gemini
    litellm_params: { model: vertex_ai/gemini-3-pro }
  - model_name: "anthropic/*"
    litellm_params: { model: "anthropic/*" }
  - model_name: dalle
    litellm_params: { model: openai/gpt-image-2 }
    model_info: { mode: image_generation }
litellm_settings:
  max_budget: 1000.0
  budget_duration: 30d
  timezone: US/Eastern
  max_internal_user_budget: 5
  drop_params: true
  cache: true
  cache_params: { type: redis, password: CANARY }
  default_team_settings:
    - team_id: Search Team
      max_budget: 100
      budget_duration: 7d
      success_callback: [langfuse]
      langfuse_secret: CANARY
general_settings:
  master_key: sk-CANARY
  database_url: postgres://CANARY
  alerting: [slack, email]
  alert_to_webhook_url:
    budget_alerts: os.environ/BUDGET_HOOK
    llm_exceptions: https://hooks.example.com/CANARY
  global_max_parallel_requests: 50
router_settings:
  model_group_alias: { gpt-4: gpt-4o, other: nothing }
  provider_budget_config: { openai: { budget_limit: 5, time_period: 1d } }
  num_retries: 3
environment_variables:
  SLACK_WEBHOOK_URL: https://hooks.example.com/CANARY
teams:
  - team_alias: ads
    team_id: 0b7c
    max_budget: 1e1
    soft_budget: 8
    rpm_limit: 60
    tpm_limit: 0
    max_parallel_requests: 4
    model_rpm_limit: { gpt-4o: 10 }
    model_tpm_limit: { gpt-4o: 10000 }
    model_max_budget: { gpt-4o: { budget_limit: 0.0000000001, time_period: 1d }, opus: 3.5 }
    budget_fallbacks: { gpt-4o: [gpt-4, opus], opus: [gpt-4] }
    budget_limits: [{ max_budget: 2, budget_duration: 1d }, { max_budget: 3, budget_duration: 10d }]
    models: [gpt-4o]
    blocked: true
`;

const imported = importLitellm(CONFIG);

function notesAt(line: number): string {
	return imported.notes
		.filter((note) => note.line === line)
		.map(({ path, problem }) => `${path}: ${problem}`)
		.join("\n");
}

/** The line of the configuration that begins with `text`. */
function lineOf(text: string): number {
	const index = CONFIG.split("\n").findIndex((line) => line.trim().startsWith(text));
	if (index < 0) throw new Error(`no line begins with ${text}`);
	return index + 1;
}

describe("what has an equivalent is carried over", () => {
	test("models with all their deployments, each account a provider of its own, and their other names", () => {
		const deployments = [
			{ provider: "azure", model: "prod-4o", pricedAsModel: "gpt-4o" },
			{ provider: "azure-2", model: "prod-4o", pricedAsModel: "prod-4o" },
			{ provider: "openai", model: "gpt-4o", pricedAsModel: "gpt-4o" },
		];
		expect(imported.policy.models).toEqual({
			"gpt-4o": deployments,
			"gpt-4": deployments,
			opus: [{ provider: "anthropic", model: "claude-opus-5", pricedAsModel: "claude-opus-5" }],
		});
	});

	test("the proxy's budget as one that teams share, in its time zone", () => {
		expect(imported.policy.organization).toEqual({
			isOvercommitted: true,
			budgets: [{ dimension: "organization", dimensionValue: "", unit: "nano_usd", windowKind: "month", limitAmount: "1000000000000", timeZone: "US/Eastern" }],
			alerts: [
				{ channel: "slack", kinds: [] },
				{ channel: "slack-budget-alerts", kinds: ["budget.threshold", "budget.stopped", "budget.withdrawn"] },
			],
		});
		expect(imported.policy.channels).toEqual({
			slack: { kind: "slack", urlEnv: "SLACK_WEBHOOK_URL", allowPrivate: false },
			"slack-budget-alerts": { kind: "slack", urlEnv: "BUDGET_HOOK", allowPrivate: false },
		});
	});

	test("teams with budgets, warnings, rates, budgets per model and what is served instead", () => {
		const zone = { timeZone: "US/Eastern" };
		const ofTeam = { dimension: "team", dimensionValue: "", unit: "nano_usd", ...zone };
		expect(imported.policy.teams).toEqual({
			ads: {
				budgets: [
					{ ...ofTeam, windowKind: "lifetime", limitAmount: "10000000000", thresholds: [{ action: "notify", at: { amount: "8000000000" } }] },
					{ ...ofTeam, windowKind: "day", limitAmount: "2000000000" },
					{
						...ofTeam,
						dimension: "model",
						dimensionValue: "gpt-4o",
						windowKind: "day",
						limitAmount: "0",
						thresholds: [{ action: "degrade", at: { basisPoints: 9_900 }, degradeTo: { "gpt-4o": "gpt-4" } }],
					},
					{
						...ofTeam,
						dimension: "model",
						dimensionValue: "opus",
						windowKind: "lifetime",
						limitAmount: "3500000000",
						thresholds: [{ action: "degrade", at: { basisPoints: 9_900 }, degradeTo: { opus: "gpt-4" } }],
					},
				],
				limits: {
					rates: [
						{ dimension: "team", dimensionValue: "", requestsPerMinute: 60, inFlight: 4 },
						{ dimension: "model", dimensionValue: "gpt-4o", requestsPerMinute: 10, tokensPerMinute: 10_000 },
					],
				},
			},
			"search-team": { budgets: [{ ...ofTeam, windowKind: "week", limitAmount: "100000000000" }] },
		});
	});

	test("a team without a budget is unlimited, one whose budget cannot be carried over is not", () => {
		const { policy, notes } = importLitellm("teams:\n- { team_id: free }\n- { team_id: shut, max_budget: 5, budget_duration: 10d }");
		expect(policy.teams).toEqual({ free: { isUnlimited: true }, shut: {} });
		expect(notes.map(({ line, problem }) => `${line} ${problem.slice(0, 21)}`)).toEqual(["2 has no max_budget: it", "3 is no window here: ho"]);
	});

	test("what is printed is a policy, in which only what the world must decide is left", () => {
		const text = writePolicyFile(imported.policy);
		const alone = readPolicyFile(text, { fileName: "policy.yaml" });
		expect(alone.kind === "refused" ? renderMistakes(alone.mistakes) : alone.file).toEqual(imported.policy);
		const world = exampleWorld({ protocolOfProvider: (name) => (/^(azure|openai)/.test(name) ? "openai" : "anthropic") });
		const read = readPolicyFile(text, { fileName: "policy.yaml", world });
		expect(read.kind === "refused" && read.mistakes.map(({ problem }) => problem)).toEqual([expect.stringContaining("opus speaks the anthropic protocol")]);
	});
});

describe("what has none is listed with its line and why", () => {
	test.each([
		["api_base: https://west", "goes into TOLLGATE_PROVIDERS_FILE as the baseUrl"],
		["api_version:", "query api-version"],
		["rpm: 480", "limits one deployment"],
		["input_cost_per_token:", "is a price: npx tollgate price set"],
		["api_key: sk-", "is a secret: put it into an environment variable"],
		["litellm_params: { model: vertex_ai", "is served by vertex_ai, which speaks neither"],
		['litellm_params: { model: "anthropic/*"', "names no single model"],
		["model_info: { mode: image", "is a kind of call that is not served here"],
		["max_internal_user_budget:", "limits users that nobody has named yet"],
		["drop_params:", "unknownFields: pass"],
		["cache: true", "cache of answers"],
		["cache_params:", "cache of answers"],
		["success_callback:", "logs and traces"],
		["langfuse_secret:", "has no equivalent"],
		["- team_id: Search", "is named search-team here"],
		["master_key:", "npx tollgate admin-key create"],
		["database_url:", "nothing of it is carried over or shown"],
		["alerting:", "set SLACK_WEBHOOK_URL where the worker runs"],
		["alerting:", "is no channel here"],
		["llm_exceptions:", "is of an alert that there is none of here"],
		["global_max_parallel_requests:", "give each team a rate with inFlight"],
		["model_group_alias:", "names a model that model_list does not have"],
		["provider_budget_config:", "limits a provider over all teams"],
		["num_retries:", "tried in order"],
		["environment_variables:", "set those you need"],
		["tpm_limit: 0", "is 0, for which there is no limit here"],
		["model_max_budget:", "a fraction of a nano-dollar, which is left off"],
		["budget_fallbacks:", "degrade at 99%, just below the limit, to the first of the chain"],
		["budget_limits:", "is no window here"],
		["models: [gpt-4o]", "give each of its keys its models"],
		["blocked:", "npx tollgate team freeze"],
	])("%s", (text, why) => {
		const line = lineOf(text);
		// A section's note stands where its first value does.
		expect(`${notesAt(line)}\n${notesAt(line + 1)}`).toContain(why);
	});

	test("each provider that needs setting up, once, with the variable of its key", () => {
		const needed = imported.notes.filter(({ problem }) => problem.startsWith("needs provider"));
		expect(needed.map(({ line, problem }) => `${line} ${problem}`)).toEqual([
			`${lineOf("- model_name: gpt-4o")} needs provider azure in TOLLGATE_PROVIDERS_FILE: protocol openai, keyEnv AZURE_WEST_KEY (docs/providers.md)`,
			"12 needs provider azure-2 in TOLLGATE_PROVIDERS_FILE: protocol openai (docs/providers.md)",
		]);
	});

	test("no secret is in the policy or in a note", () => {
		const shown = ({ policy, notes }: ImportedPolicy): string => writePolicyFile(policy) + JSON.stringify(notes);
		expect(shown(imported)).not.toContain("CANARY");
	});
});

test.each([
	"",
	"- a",
	"model_list: x",
	"model_list: [1, {}, { model_name: a, litellm_params: 3 }]",
	"teams: [{}]\nlitellm_settings: []",
	"a: [",
	"general_settings:\nmodel_list:",
])("%j gives no policy, and notes", (text) => {
	const { policy, notes } = importLitellm(text);
	expect(policy).toEqual({});
	for (const { line } of notes) expect(line).toBeGreaterThan(0);
	expect(notes.length > 0 || text.startsWith("general_settings")).toBe(true);
});

test.each([
	["1000.0", "1000000000000"],
	["0.25", "250000000"],
	["1e-9", "1"],
	["2.5E3", "2500000000000"],
	["0", "0"],
	["1e9", "1000000000000000000"],
	["1e400", undefined],
	["os.environ/LIMIT", undefined],
	["-3", undefined],
	[".nan", undefined],
])("max_budget: %s is %s nano-USD", (written, amount) => {
	const { policy, notes } = importLitellm(`litellm_settings:\n  max_budget: ${written}`);
	expect(policy.organization?.budgets?.[0]?.limitAmount).toBe(amount);
	expect(notes.length).toBe(amount === undefined ? 1 : 0);
});
