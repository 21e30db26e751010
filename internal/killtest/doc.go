// Package killtest kills the real program at named places, again and again
// during a scene, and asks afterwards what the people around it were sent and
// what they saw.
//
// The test process holds the world: customers who send mail by SMTP and keep
// what was not taken, as mail servers do; a mail server that takes what the
// program sends; people in the program's own chat network, the playground,
// whose journal outlives the kills. All of them write into a ledger that goes
// to a process of its own, the checker, which judges from it alone and never
// sees the database. With defects switched on in the program (its inbox
// without a key, an answer before the commit) the checker must find fault, or
// it would be worth nothing.
package killtest
