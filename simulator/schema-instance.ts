import { arrayOrEmpty, isObject, type JsonObject, objectOrEmpty } from "./json.ts";
import { SIMULATED_MARK } from "./text.ts";

const DEEPEST = 8;

/**
 * The plainest value that a JSON Schema accepts: first of an enum or union, the constant, required and listed
 * properties, minimal arrays. Deterministic. `$ref` is followed inside the same document only.
 */
export function instanceOf(schema: unknown, root: unknown = schema, depth = 0): unknown {
	if (!isObject(schema) || depth > DEEPEST) return {};
	if ("const" in schema) return schema["const"];
	if (Array.isArray(schema["enum"])) return schema["enum"][0];
	if (typeof schema["$ref"] === "string") return instanceOf(resolve(root, schema["$ref"]), root, depth + 1);
	for (const union of ["anyOf", "oneOf", "allOf"]) {
		const [first] = arrayOrEmpty(schema[union]);
		if (first !== undefined) return instanceOf(first, root, depth + 1);
	}
	return instanceOfType(schema, root, depth);
}

function instanceOfType(schema: JsonObject, root: unknown, depth: number): unknown {
	const type = Array.isArray(schema["type"]) ? schema["type"][0] : schema["type"];
	switch (type) {
		case "string":
			return SIMULATED_MARK;
		case "integer":
		case "number":
			return typeof schema["minimum"] === "number" ? schema["minimum"] : 1;
		case "boolean":
			return true;
		case "null":
			return null;
		case "array": {
			const count = typeof schema["minItems"] === "number" ? Math.min(schema["minItems"], DEEPEST) : 0;
			return Array.from({ length: count }, () => instanceOf(schema["items"], root, depth + 1));
		}
		default:
			return instanceOfObject(schema, root, depth);
	}
}

function instanceOfObject(schema: JsonObject, root: unknown, depth: number): JsonObject {
	const properties = objectOrEmpty(schema["properties"]);
	const required = Array.isArray(schema["required"]) ? schema["required"].filter((name) => typeof name === "string") : Object.keys(properties);
	return Object.fromEntries(required.map((name) => [name, instanceOf(properties[name], root, depth + 1)]));
}

function resolve(root: unknown, reference: string): unknown {
	let value: unknown = root;
	for (const step of reference.replace(/^#\/?/, "").split("/").filter(Boolean)) value = objectOrEmpty(value)[step];
	return value;
}
