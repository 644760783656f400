// Package podwire reads pods as the API server sends them, in the wire format of protobuf, and keeps of each only what it takes to count
// it. To decode a whole pod makes some hundred objects; most of the time pods have labels and requests that other pods have, too.
//
// So a pod is read in two steps. Of every pod the fields that count are found, and copied as they are into its Class, without a look
// at what they say. Of every class, not of every pod, labels and requests are decoded, by the API's own types.
//
// To be woken for each pod that changes takes longer than to read it. So what the API server sends gathers in the connection, and is
// told many pods at a time, as Changes.
package podwire
