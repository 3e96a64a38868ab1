import type { JsonObject } from "./json.ts";
import type { Protocol } from "./provider-error.ts";

/** `GET /v1/models`, in the shape of either provider. Any other model name is served as well. */

const OPENAI_MODELS = [
	"gpt-4o",
	"gpt-4o-mini",
	"gpt-4.1",
	"gpt-4.1-mini",
	"gpt-5",
	"gpt-5-mini",
	"o3",
	"o4-mini",
	"text-embedding-3-small",
	"text-embedding-3-large",
];
const ANTHROPIC_MODELS = ["claude-opus-5-5", "claude-sonnet-5", "claude-haiku-4-5"];
const CREATED_AT_SECONDS = 1_735_689_600;

export function listModels(protocol: Protocol): JsonObject {
	if (protocol === "openai") return { object: "list", data: OPENAI_MODELS.map((id) => describeModel(protocol, id)) };
	const data = ANTHROPIC_MODELS.map((id) => describeModel(protocol, id));
	return { data, has_more: false, first_id: ANTHROPIC_MODELS[0], last_id: ANTHROPIC_MODELS.at(-1) };
}

export function describeModel(protocol: Protocol, id: string): JsonObject {
	if (protocol === "openai") return { id, object: "model", created: CREATED_AT_SECONDS, owned_by: "simulated" };
	return { type: "model", id, display_name: `${id} (simulated)`, created_at: new Date(CREATED_AT_SECONDS * 1000).toISOString() };
}
