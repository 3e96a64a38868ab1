/** Stands for the signature of a thinking block, which callers send back unchanged. */
export const SIGNATURE = Buffer.from("simulated signature").toString("base64");
