/** What the check is for did not hold; anything else that is thrown says that it could not be run. */
export class Broken extends Error {
	override readonly name = "Broken";
}
