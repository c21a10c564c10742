using SafeAmqp.Testing.Connections;

namespace SafeAmqp.Testing;

/// <summary>
/// What an administrator does: virtual hosts, users, permissions, alarms, and what is deleted behind its users' backs.
/// </summary>
public sealed partial class AmqpTestBroker
{
    /// <summary>Adds a virtual host, in which no user has permissions yet.</summary>
    public void AddVirtualHost(string name) => _state.Loop.Command(() => _state.AddVirtualHost(name));

    /// <summary>
    /// Adds a user without permissions, or gives one a new password. Connections that are open stay so.
    /// </summary>
    public void AddUser(string name, string password) => _state.Loop.Command(() => _state.Users.Add(name, password));

    /// <summary>Removes a user; its connections are closed with 320.</summary>
    public void RemoveUser(string name) => _state.Loop.Command(() =>
    {
        if (!_state.Users.Remove(name))
            return;
        foreach (Connection connection in _state.Connections.Where(connection => connection.User?.Name == name)
            .ToArray())
            connection.Fail(new AmqpError(ReplyCode.ConnectionForced, $"user '{name}' is deleted"), 0);
    });

    /// <summary>
    /// Lets a user into a virtual host; the patterns say which names it may configure, write and read.
    /// </summary>
    /// <exception cref="ArgumentException">A pattern is no regular expression.</exception>
    public void SetPermissions(
        string user, string virtualHost = "/", string configure = ".*", string write = ".*", string read = ".*")
    {
        var configurable = new NamePattern(configure, nameof(configure));
        var writable = new NamePattern(write, nameof(write));
        var readable = new NamePattern(read, nameof(read));
        _state.Loop.Command(() => _state.Users.Find(user)?.Permit(virtualHost, configurable, writable, readable));
    }

    /// <summary>Takes all permissions in a virtual host away from a user.</summary>
    public void ClearPermissions(string user, string virtualHost = "/")
        => _state.Loop.Command(() => _state.Users.Find(user)?.Forbid(virtualHost));

    /// <summary>
    /// Says which routing keys a user may publish to a topic exchange with, and bind to it. In the patterns
    /// <c>{username}</c> and <c>{vhost}</c> stand for the user's own. A user without a rule for an exchange may use
    /// every key.
    /// </summary>
    /// <exception cref="ArgumentException">A pattern is no regular expression.</exception>
    public void SetTopicPermissions(
        string user, string exchange, string virtualHost = "/", string write = ".*", string read = ".*")
    {
        var writable = new NamePattern(Expanded(write), nameof(write));
        var readable = new NamePattern(Expanded(read), nameof(read));
        _state.Loop.Command(() => _state.Users.Find(user)?.Topics.Permit(virtualHost, exchange, writable, readable));

        string Expanded(string pattern) => pattern.Replace("{username}", user, StringComparison.Ordinal)
            .Replace("{vhost}", virtualHost, StringComparison.Ordinal);
    }

    /// <summary>
    /// Takes a user's rules for the routing keys of an exchange back; of all exchanges when none is named.
    /// </summary>
    public void ClearTopicPermissions(string user, string? exchange = null, string virtualHost = "/") =>
        _state.Loop.Command(() => _state.Users.Find(user)?.Topics.Clear(virtualHost, exchange));

    /// <summary>Deletes a queue with all it holds; its consumers are cancelled.</summary>
    public void DeleteQueue(string name, string virtualHost = "/") =>
        _state.Loop.Command(
            () => _state.VirtualHosts.GetValueOrDefault(virtualHost)?.Queues.GetValueOrDefault(name)?.Delete());

    /// <summary>Deletes an exchange with its bindings.</summary>
    public void DeleteExchange(string name, string virtualHost = "/") => _state.Loop.Command(() =>
    {
        if (_state.VirtualHosts.GetValueOrDefault(virtualHost) is { } host
            && host.Exchanges.GetValueOrDefault(name) is { } exchange)
            host.Remove(exchange);
    });

    /// <summary>
    /// Raises the memory alarm: a publisher is told (connection.blocked) with the next message that it sends, and then
    /// not read from; consumers go on.
    /// </summary>
    public void Block(string reason = "low on memory") => _state.Loop.Command(() => _state.SetAlarm(reason));

    /// <summary>Ends the alarm of <see cref="Block"/>.</summary>
    public void Unblock() => _state.Loop.Command(() => _state.SetAlarm(null));
}
