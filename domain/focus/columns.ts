/**
 * The columns of FOCUS 1.2 (FinOps Open Cost and Usage Specification, https://focus.finops.org, the tables under "Content Constraints" of each column):
 * level, type, whether it may be null, and allowed values. Only what can be told of a file by itself.
 */
export type FocusType = "String" | "Decimal" | "Date/Time" | "JSON";
export type FocusLevel = "Mandatory" | "Conditional" | "Recommended";

export type FocusColumn = {
	readonly level: FocusLevel;
	readonly type: FocusType;
	readonly allowsNull: boolean;
	readonly allowed?: readonly string[];
	readonly isCurrency?: true;
	readonly isNotNegative?: true;
};

const mandatory = (type: FocusType, rest: Partial<FocusColumn> = {}): FocusColumn => ({ level: "Mandatory", type, allowsNull: false, ...rest });
const conditional = (type: FocusType, rest: Partial<FocusColumn> = {}): FocusColumn => ({ level: "Conditional", type, allowsNull: true, ...rest });
const recommended = (type: FocusType, rest: Partial<FocusColumn> = {}): FocusColumn => ({ level: "Recommended", type, allowsNull: true, ...rest });
const NULL = { allowsNull: true } as const;
const UNIT_PRICE = { isNotNegative: true } as const;
const USED = ["Used", "Unused"];

export const SERVICE_CATEGORIES = [
	...["AI and Machine Learning", "Analytics", "Business Applications", "Compute", "Databases", "Developer Tools", "Multicloud", "Identity", "Integration"],
	...["Internet of Things", "Management and Governance", "Media", "Migration", "Mobile", "Networking", "Security", "Storage", "Web", "Other"],
] as const;
export const CHARGE_CATEGORIES = ["Usage", "Purchase", "Tax", "Credit", "Adjustment"] as const;

export const FOCUS_COLUMNS: Readonly<Record<string, FocusColumn>> = {
	AvailabilityZone: recommended("String"),
	BilledCost: mandatory("Decimal"),
	BillingAccountId: mandatory("String"),
	BillingAccountName: mandatory("String", NULL),
	BillingAccountType: conditional("String", { allowsNull: false }),
	BillingCurrency: mandatory("String", { isCurrency: true }),
	BillingPeriodEnd: mandatory("Date/Time"),
	BillingPeriodStart: mandatory("Date/Time"),
	CapacityReservationId: conditional("String"),
	CapacityReservationStatus: conditional("String", { allowed: USED }),
	ChargeCategory: mandatory("String", { allowed: CHARGE_CATEGORIES }),
	ChargeClass: mandatory("String", { allowsNull: true, allowed: ["Correction"] }),
	ChargeDescription: mandatory("String", NULL),
	ChargeFrequency: recommended("String", { allowsNull: false, allowed: ["One-Time", "Recurring", "Usage-Based"] }),
	ChargePeriodEnd: mandatory("Date/Time"),
	ChargePeriodStart: mandatory("Date/Time"),
	CommitmentDiscountCategory: conditional("String", { allowed: ["Spend", "Usage"] }),
	CommitmentDiscountId: conditional("String"),
	CommitmentDiscountName: conditional("String"),
	CommitmentDiscountQuantity: conditional("Decimal"),
	CommitmentDiscountStatus: conditional("String", { allowed: USED }),
	CommitmentDiscountType: conditional("String"),
	CommitmentDiscountUnit: conditional("String"),
	ConsumedQuantity: conditional("Decimal"),
	ConsumedUnit: conditional("String"),
	ContractedCost: mandatory("Decimal"),
	ContractedUnitPrice: conditional("Decimal", UNIT_PRICE),
	EffectiveCost: mandatory("Decimal"),
	InvoiceId: recommended("String"),
	InvoiceIssuerName: mandatory("String"),
	ListCost: mandatory("Decimal"),
	ListUnitPrice: conditional("Decimal", UNIT_PRICE),
	PricingCategory: conditional("String", { allowed: ["Standard", "Dynamic", "Committed", "Other"] }),
	// Virtual currencies are written as they are called, so this one has no three letters to hold to.
	PricingCurrency: conditional("String"),
	PricingCurrencyContractedUnitPrice: conditional("Decimal", UNIT_PRICE),
	PricingCurrencyEffectiveCost: conditional("Decimal"),
	PricingCurrencyListUnitPrice: conditional("Decimal", UNIT_PRICE),
	PricingQuantity: mandatory("Decimal", NULL),
	PricingUnit: mandatory("String", NULL),
	ProviderName: mandatory("String"),
	PublisherName: mandatory("String"),
	RegionId: conditional("String"),
	RegionName: conditional("String"),
	ResourceId: conditional("String"),
	ResourceName: conditional("String"),
	ResourceType: conditional("String"),
	ServiceCategory: mandatory("String", { allowed: SERVICE_CATEGORIES }),
	ServiceName: mandatory("String"),
	ServiceSubcategory: recommended("String", { allowsNull: false }),
	SkuId: conditional("String"),
	SkuMeter: conditional("String"),
	SkuPriceDetails: conditional("JSON"),
	SkuPriceId: conditional("String"),
	SubAccountId: conditional("String"),
	SubAccountName: conditional("String"),
	SubAccountType: conditional("String"),
	Tags: conditional("JSON"),
};
