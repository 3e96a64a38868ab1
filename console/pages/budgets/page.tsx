import { Page } from "../../frame/page.tsx";

export function BudgetsPage() {
	return <Page title="Budgets">…</Page>;
}
