import type { Alert } from "./alert.ts";

/** The words of a report that channels are told of (domain/reports/report-message.ts): its detail holds them, as plain text. */
export function reportTitleOf({ kind, detail }: Alert): string {
	const [title, period] = [detail["title"], detail["period"]];
	return typeof title === "string" && typeof period === "string" ? `${title}, ${period}` : `A report is written (${kind})`;
}

/** Lines are a label and a value, parted by a tab. */
export function reportFactsOf({ detail }: Alert): { readonly label: string; readonly value: string }[] {
	const lines: readonly unknown[] = Array.isArray(detail["lines"]) ? detail["lines"] : [];
	const facts = lines.flatMap((line) => {
		const [label = "", value = ""] = typeof line === "string" ? line.split("\t") : [];
		return label === "" || value === "" ? [] : [{ label, value }];
	});
	const id = detail["reportId"];
	return typeof id === "string" ? [...facts, { label: "All of it", value: `npx tollgate report show ${id}` }] : facts;
}

export function isReportAlert({ kind }: Pick<Alert, "kind">): boolean {
	return kind.startsWith("report.");
}
