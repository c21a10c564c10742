using SafeAmqp.Testing.Connections;

namespace SafeAmqp.Testing;

/// <summary>An open connection, as it was when it was looked at.</summary>
public sealed record AmqpTestConnection
{
    internal AmqpTestConnection(Connection connection)
    {
        Number = connection.Id;
        Name = connection.Name;
        UserName = connection.User.Name;
        VirtualHost = connection.Host.Name;
        ChannelCount = connection.Channels.Count();
        IsBlocked = connection.IsBlocked;
    }

    /// <summary>Counts all connections of this broker from 1.</summary>
    public long Number { get; }

    /// <summary>
    /// The client's name for it (<c>connection_name</c>); a client that gives none is named after the number.
    /// </summary>
    public string Name { get; }

    /// <summary>The user who logged in.</summary>
    public string UserName { get; }

    /// <summary>The virtual host that was opened.</summary>
    public string VirtualHost { get; }

    /// <summary>How many channels are open on it.</summary>
    public int ChannelCount { get; }

    /// <summary>Whether it is a publisher that is not read from because of an alarm.</summary>
    public bool IsBlocked { get; }
}
