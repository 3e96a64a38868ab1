import { Page } from "../../frame/page.tsx";

export function RequestPage() {
	return <Page title="Request">…</Page>;
}
