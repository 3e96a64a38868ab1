import type { z } from "zod";
import * as contract from "./statement-contract.ts";

type Output<Schema extends z.ZodType> = z.output<Schema>;
export type StatementMonth = Output<typeof contract.StatementMonth>;
export type StatementReport = Output<typeof contract.StatementReport>;
export type StatementLine = Output<typeof contract.StatementLine>;
export type ChargebackRulesRequest = z.input<typeof contract.ChargebackRules>;
export type RulesInForce = Output<typeof contract.RulesInForce>;
export type StatementDecision = z.input<typeof contract.DecideStatementsRequest>;

type Send = <Schema extends z.ZodType>(method: "GET" | "POST" | "PUT", path: string, answer: Schema, body?: unknown) => Promise<Output<Schema>>;

/** Statements of months (like "2026-10"), and the rules they are made by. */
export class StatementClient {
	readonly #send: Send;

	constructor(send: Send) {
		this.#send = send;
	}

	/** The newest first. */
	async months(): Promise<StatementMonth[]> {
		return (await this.#send("GET", "/statements", contract.StatementMonthList)).months;
	}

	/** By team, 1,000 unless `limit` (up to 5,000) says otherwise; `afterTeam`: the last one seen. */
	read(month: string, page: { teamId?: string | undefined; afterTeam?: string | undefined; limit?: number | undefined } = {}): Promise<StatementReport> {
		return this.#send("GET", `/statements/${encodeURIComponent(month)}${query(page)}`, contract.StatementReport);
	}

	/** Every line of a month, or of one team, page after page. */
	async *pages(month: string, teamId?: string): AsyncGenerator<readonly StatementLine[]> {
		for (let last: StatementLine | undefined; ; ) {
			const page = query({ teamId, afterTeam: last?.teamId, afterLine: last?.line, limit: contract.LINES_AT_ONCE });
			const { lines } = await this.#send("GET", `/statements/${encodeURIComponent(month)}/lines${page}`, contract.StatementLines);
			if (lines.length > 0) yield lines;
			if (lines.length < contract.LINES_AT_ONCE) return;
			last = lines.at(-1);
		}
	}

	/** Of a month that is over. */
	close(month: string): Promise<StatementMonth> {
		return this.#send("POST", `/statements/${encodeURIComponent(month)}/close`, contract.StatementMonth, {});
	}

	approve(month: string, decision: StatementDecision): Promise<StatementMonth> {
		return this.#send("POST", `/statements/${encodeURIComponent(month)}/approve`, contract.StatementMonth, decision);
	}

	/** Closing it makes another draft. */
	reject(month: string, decision: StatementDecision): Promise<StatementMonth> {
		return this.#send("POST", `/statements/${encodeURIComponent(month)}/reject`, contract.StatementMonth, decision);
	}

	rules(): Promise<RulesInForce> {
		return this.#send("GET", "/chargeback-rules", contract.RulesInForce);
	}

	/** As a whole; what is left out has its default. */
	setRules(rules: ChargebackRulesRequest): Promise<RulesInForce> {
		return this.#send("PUT", "/chargeback-rules", contract.RulesInForce, rules);
	}
}

function query(values: Readonly<Record<string, string | number | undefined>>): string {
	const given = Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)] as [string, string]]));
	return given.length === 0 ? "" : `?${new URLSearchParams(given)}`;
}
