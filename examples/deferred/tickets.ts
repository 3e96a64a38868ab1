/** What came in over the day: invented, and as many as are wanted. */

const COMPLAINTS = [
	"The parcel A-1007 has been in the same place for nine days.",
	"I was charged twice for one order.",
	"How do I change my delivery address?",
	"The lamp arrived broken, and the box was already open.",
	"Your newsletter is lovely, thank you.",
	"I cannot log in since yesterday; the shop is closed for me.",
] as const;

export type Ticket = { readonly number: number; readonly text: string };

/** One by one, as from a database: what hands them in never has all of them in memory. */
export async function* ticketsOfToday(count: number): AsyncGenerator<Ticket> {
	for (let number = 1; number <= count; number += 1) yield { number, text: COMPLAINTS[number % COMPLAINTS.length] ?? "" };
}
