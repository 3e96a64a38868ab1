import { Page } from "../../frame/page.tsx";

export function RequestsPage() {
	return <Page title="Requests">…</Page>;
}
