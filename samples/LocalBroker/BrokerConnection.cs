namespace LocalBroker;

/// <summary>One client connection as the broker lists it.</summary>
/// <param name="Pid">The Erlang process that serves it; the argument of <c>rabbitmqctl close_connection</c>.</param>
/// <param name="User">The user that logged in; empty while the handshake is under way.</param>
/// <param name="Name">The name the client gave its connection; empty when it gave none.</param>
/// <param name="State">For example <c>starting</c>, <c>running</c>, <c>blocked</c>, <c>flow</c>.</param>
public sealed record BrokerConnection(string Pid, string User, string Name, string State);
