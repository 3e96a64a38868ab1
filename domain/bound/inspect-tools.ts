import { lookUp, type ToolRule } from "./field-table.ts";
import type { RequestProblem } from "./request.ts";
import { addReference, invalid, unbounded, unknownField } from "./request-facts.ts";
import { isObject, type JsonObject, type Walk } from "./walk.ts";

/**
 * Where tools stand: those of an `item` stay in the conversation, so that a later request that continues it has them
 * too, without the cap of this one.
 */
type ToolPlace = "request" | "item";

/** Tools: the caller's own are bounded by their bytes; those the provider runs by their capped calls, or not at all. */
export function inspectTools(tools: unknown, path: string, walk: Walk, place: ToolPlace = "request"): RequestProblem | undefined {
	if (tools === undefined || tools === null) return undefined;
	if (!Array.isArray(tools)) return invalid(path, "must be an array of tools");
	if (tools.length > 0) walk.facts.hasTools = true;
	if (tools.length > 0 && walk.facts.hiddenToolTokens === 0) walk.facts.hiddenToolTokens = walk.table.hiddenTokensWithTools;
	for (const [index, tool] of tools.entries()) {
		const found = inspectTool(tool, `${path}[${index}]`, walk, place);
		if (found !== undefined) return found;
	}
	return undefined;
}

function inspectTool(tool: unknown, path: string, walk: Walk, place: ToolPlace): RequestProblem | undefined {
	if (!isObject(tool)) return invalid(path, "must be an object");
	const type = tool["type"] ?? "default";
	if (typeof type !== "string") return invalid(`${path}.type`, "must be a string");
	const rule = lookUp(walk.table.tools, type);
	if (rule === undefined) {
		if (!walk.mayPassUnknown)
			return unknownField(`${path}.type`, `the tool type ${JSON.stringify(type.slice(0, 80))} is not known, so what it costs is not known either`);
		walk.facts.isDearest = true;
		return undefined;
	}
	if (rule.rule === "unbounded") return unbounded(path, rule.note);
	if (rule.rule === "group") return inspectTools(tool["tools"], `${path}.tools`, walk, place);
	if (rule.rule === "hosted" && place === "item")
		return unbounded(path, "the provider runs this tool, and as part of the conversation it outlives the cap on its calls; name it in `tools` instead");
	if (rule.rule === "hosted") return inspectHostedTool(tool, rule, path, walk);
	walk.facts.hiddenToolTokens += rule.hiddenTokens ?? 0;
	// What a definition adds is text.
	if (rule.rule === "reference") addReference(walk.facts, { field: path, id: undefined, kind: "open" }, TEXT_ONLY);
	return undefined;
}

function inspectHostedTool(tool: JsonObject, rule: ToolRule, path: string, walk: Walk): RequestProblem | undefined {
	const isShared = rule.callsField === "max_tool_calls";
	const capField = isShared ? "max_tool_calls" : `${path}.max_uses`;
	const calls = isShared ? walk.body["max_tool_calls"] : tool["max_uses"];
	if (calls === undefined || calls === null) return unbounded(path, `the provider runs this tool as often as it likes; set ${capField}`);
	if (!Number.isSafeInteger(calls) || (calls as number) < 0) return invalid(capField, "must be a whole number of calls, 0 or more");
	if (rule.owner !== undefined) addReference(walk.facts, { field: path, id: undefined, kind: rule.owner }, TEXT_ONLY);
	if (bringsImages(tool)) walk.facts.hasUnseenImages = true;
	walk.facts.areHostedCallsShared = isShared;
	walk.facts.hostedTools.push({ field: path, feeName: rule.feeName ?? null, calls: calls as number });
	return undefined;
}

const TEXT_ONLY = { isTextOnly: true };

/** Fetched pages may be documents; a search brings images only where it is asked to (WebSearchPreviewTool, openai 7.57.0). */
function bringsImages(tool: JsonObject): boolean {
	const types = tool["search_content_types"];
	return String(tool["type"]).startsWith("web_fetch") || (types !== undefined && JSON.stringify(types) !== '["text"]');
}
