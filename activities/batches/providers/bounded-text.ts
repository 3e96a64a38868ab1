/** Text of a provider as it may stand in messages, histories and tables: one line, well-formed, at most `length` UTF-16 units. */
export function boundedText(text: string, length: number): string {
	return text
		.slice(0, length)
		.replace(/\p{Cc}+/gu, " ")
		.toWellFormed()
		.trim();
}
