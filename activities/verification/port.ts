import type { ChainHead } from "#domain/budget/team-budget-state.ts";

/** A chain's head as somebody outside the database remembers it; `witness` names him, e.g. `team-budget/demo`. */
export type ToldHead = ChainHead & { readonly witness: string };

/** What the witnesses outside the database said; `note` tells what a reader should know when not all were heard. */
export type Testimony = { readonly heads: readonly ToldHead[]; readonly note: string | null };

/**
 * Asks whoever was told chain heads; `governedTeamIds` are the teams that should have a witness, those with a budget
 * (`@organization` among them). A witness that is silent or gone is a note: neither a fault of the ledger nor an error.
 */
export type AskWitnesses = (governedTeamIds: readonly string[]) => Promise<Testimony>;
