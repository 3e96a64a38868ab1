/** What agent code and tools import. Everything else in this folder is internal. */
export {
	AdministrationClient,
	type AdministrationClientOptions,
	type AdminKey,
	type Budget,
	type CreatedKey,
	type Key,
	type Lease,
	type PriceCheck,
	type SpendReport,
	type Team,
} from "./administration-client.ts";
export { type AnthropicOptions, CostControl, type HttpOptions, type OpenAiOptions, type TemporalOptions } from "./cost-control.ts";
export { type ChildKeyRequest, deriveKey } from "./derive-key.ts";
export { CostControlError, type ErrorCode, UnreachableError } from "./errors.ts";
export { type BudgetRefusal, readRefusal } from "./refusal.ts";
