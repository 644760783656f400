// Package proxy stands between a component and the API server, passes on what the component asks for, takes note of what it writes, and
// treats it badly when told to: it refuses requests, holds them back, ends watches or lets them lag, and plays a clock that is wrong.
//
// One [Proxy] is for one component. It serves plain HTTP on 127.0.0.1 and passes the component's own credentials on, so that what the
// component may do is unchanged.
//
// # Clocks
//
// A component whose clock is d ahead writes times that are d ahead of everybody else's, and finds everybody else's times d behind its own.
// That is all that others and itself can see of it. So the proxy plays such a clock by adding d to every time that the component
// writes, and by taking d from every time that it reads: what it wrote itself it reads back unchanged. d is in whole seconds, so that no
// time loses digits. To see the times the proxy speaks JSON with both sides: it has the API server answer in JSON, and translates the
// component's Protocol Buffers. Left as they are: the Date header of answers, times in query strings, and the times in
// tokens, which client and server never compare with their clocks here.
//
// Other ways were looked at. Go programs read the clock in the vDSO and without the C library, so a library that is preloaded (as
// libfaketime is) does not reach them; Linux' time namespaces shift the monotonic clocks alone; a clock that is shifted for a whole virtual
// machine needs one.
package proxy
