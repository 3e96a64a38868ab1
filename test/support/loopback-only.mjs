// Loaded into every Node process of a test run (NODE_OPTIONS): tests reach this machine and nothing else.
import { Socket } from "node:net";

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|::1|::ffff:127\.\d+\.\d+\.\d+|0\.0\.0\.0|::)$/i;
const isGuarded = Symbol.for("tollgate.loopback-only");

if (!Socket.prototype[isGuarded]) {
	const connect = Socket.prototype.connect;
	Socket.prototype[isGuarded] = true;
	Socket.prototype.connect = function connectToLoopback(...args) {
		const host = findHost(args);
		if (host !== undefined && !LOOPBACK.test(host)) throw new Error(`a test tried to connect to ${host}; tests connect to loopback only`);
		return connect.apply(this, args);
	};
}

// connect(options), connect(path), connect(port, host), and the array of them that node:net itself passes.
function findHost(args) {
	const [first, second] = Array.isArray(args[0]) ? args[0] : args;
	if (typeof first === "object" && first !== null) return first.path === undefined || first.path === null ? (first.host ?? undefined) : undefined;
	return typeof second === "string" ? second : undefined;
}
