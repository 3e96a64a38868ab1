import path from "node:path";
import ts from "typescript";
import { expect, test } from "vitest";
import { PROJECT_FOLDER } from "#test/support/project-files.ts";

const CLIENTS = ["AdministrationClient", "AgentRun", "CostControl", "DeferredBatch", "DeferredClient", "GovernanceClient"];
const OURS = /^(clients|workflows|domain)\//;

test("whoever imports clients/ can name every type that its methods take or return", () => {
	const index = path.join(PROJECT_FOLDER, "clients/index.ts");
	const { config } = ts.readConfigFile(path.join(PROJECT_FOLDER, "tsconfig.json"), ts.sys.readFile) as { config: object };
	const { options } = ts.parseJsonConfigFileContent(config, ts.sys, PROJECT_FOLDER);
	const program = ts.createProgram([index], options);
	const checker = program.getTypeChecker();
	const source = program.getSourceFile(index);
	const module = source && checker.getSymbolAtLocation(source);
	if (!module) throw new Error("clients/index.ts has no exports");
	const exported = new Map(checker.getExportsOfModule(module).map((symbol) => [symbol.name, symbol]));
	const missing = CLIENTS.flatMap((name) => {
		const symbol = exported.get(name);
		return symbol === undefined ? [name] : namedTypes(checker, symbol).filter((used) => !exported.has(used));
	});
	expect([...new Set(missing)]).toEqual([]);
}, 60_000);

/** Names of our own types in the signatures of what is public of a class; generic helpers of the file itself are none. */
function namedTypes(checker: ts.TypeChecker, symbol: ts.Symbol): string[] {
	const declaration = (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol).declarations?.find(ts.isClassDeclaration);
	const found: string[] = [];
	const visit = (node: ts.Node): void => {
		if (ts.isTypeReferenceNode(node)) {
			const used = checker.getSymbolAtLocation(node.typeName);
			const target = used && used.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(used) : used;
			const file = target?.declarations?.[0]?.getSourceFile().fileName ?? "";
			const isParameter = target !== undefined && (target.flags & ts.SymbolFlags.TypeParameter) !== 0;
			if (!isParameter && OURS.test(path.relative(PROJECT_FOLDER, file))) found.push(node.typeName.getText());
		}
		// Bodies are nobody's business.
		if (!ts.isBlock(node)) ts.forEachChild(node, visit);
	};
	for (const member of declaration?.members ?? []) if (isPublic(member)) visit(member);
	return found;
}

function isPublic(member: ts.ClassElement): boolean {
	return !(member.name && ts.isPrivateIdentifier(member.name)) && (ts.getCombinedModifierFlags(member) & ts.ModifierFlags.Private) === 0;
}
