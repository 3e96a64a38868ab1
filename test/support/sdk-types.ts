import { fileURLToPath } from "node:url";
import ts from "typescript";

/** Reads the published request types of the providers' SDKs, so that a test can hold our tables against them. */
const SDK_FILES = {
	chat: "openai/resources/chat/completions/completions.d.ts",
	responses: "openai/resources/responses/responses.d.ts",
	embeddings: "openai/resources/embeddings.d.ts",
	messages: "@anthropic-ai/sdk/resources/messages/messages.d.ts",
	betaMessages: "@anthropic-ai/sdk/resources/beta/messages/messages.d.ts",
	beta: "@anthropic-ai/sdk/resources/beta/beta.d.ts",
} as const;

export type SdkFile = keyof typeof SDK_FILES;

const pathOf = (file: SdkFile): string => fileURLToPath(new URL(`../../node_modules/${SDK_FILES[file]}`, import.meta.url));

export class SdkTypes {
	readonly #program: ts.Program;
	readonly #checker: ts.TypeChecker;

	constructor() {
		const files = (Object.keys(SDK_FILES) as SdkFile[]).map(pathOf);
		this.#program = ts.createProgram(files, {
			module: ts.ModuleKind.NodeNext,
			moduleResolution: ts.ModuleResolutionKind.NodeNext,
			target: ts.ScriptTarget.ES2022,
			skipLibCheck: true,
			strict: true,
			types: [],
		});
		this.#checker = this.#program.getTypeChecker();
	}

	/** Names of all fields of an exported type, over every member of a union. */
	fields(file: SdkFile, typeName: string): string[] {
		const names = this.#members(this.#type(file, typeName)).flatMap((member) => this.#checker.getPropertiesOfType(member).map((property) => property.name));
		return [...new Set(names)].toSorted();
	}

	/** String literals an exported type, or one field of it, consists of. */
	literals(file: SdkFile, typeName: string): string[] {
		return this.#members(this.#type(file, typeName)).flatMap((member) => (member.isStringLiteral() ? [member.value] : []));
	}

	/**
	 * Values of `type` in an exported union; with `path`, in the union found at these fields (arrays
	 * are looked into, strings skipped). A member without `type` gives "".
	 */
	discriminants(file: SdkFile, typeName: string, path: readonly string[] = []): string[] {
		let types = this.#members(this.#type(file, typeName));
		for (const field of path) types = types.flatMap((type) => this.#fieldTypes(type, field));
		return [...new Set(types.flatMap((type) => this.#typeValues(type)))].toSorted();
	}

	#typeValues(type: ts.Type): string[] {
		if ((type.flags & ts.TypeFlags.Object) === 0) return [];
		const property = type.getProperty("type");
		if (property === undefined) return [""];
		return this.#members(this.#checker.getTypeOfSymbol(property)).map((member) => (member.isStringLiteral() ? member.value : ""));
	}

	#fieldTypes(type: ts.Type, field: string): ts.Type[] {
		const property = type.getProperty(field);
		if (property === undefined) return [];
		return this.#members(this.#checker.getTypeOfSymbol(property)).flatMap((member) => {
			const element = this.#checker.isArrayType(member) ? this.#checker.getTypeArguments(member as ts.TypeReference)[0] : undefined;
			return element === undefined ? [member] : this.#members(element);
		});
	}

	#members(type: ts.Type): ts.Type[] {
		return type.isUnion() ? type.types : [type];
	}

	#type(file: SdkFile, typeName: string): ts.Type {
		const source = this.#program.getSourceFile(pathOf(file));
		const module = source === undefined ? undefined : this.#checker.getSymbolAtLocation(source);
		const symbol = module === undefined ? undefined : this.#checker.getExportsOfModule(module).find((candidate) => candidate.name === typeName);
		if (symbol === undefined) throw new Error(`${SDK_FILES[file]} exports no ${typeName}`);
		return this.#checker.getDeclaredTypeOfSymbol((symbol.flags & ts.SymbolFlags.Alias) === 0 ? symbol : this.#checker.getAliasedSymbol(symbol));
	}
}
