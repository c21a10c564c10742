namespace SafeAmqp.Testing.Connections;

/// <summary>
/// Which routing keys a user may publish with and bind to, by topic exchange. Without a rule for an exchange: all
/// (RabbitMQ's topic authorisation).
/// </summary>
internal sealed class TopicPermissions
{
    private readonly Dictionary<(string VirtualHost, string Exchange), (NamePattern Write, NamePattern Read)> _rules
        = [];

    /// <summary>False for nearly everybody: then nothing is looked up.</summary>
    public bool Any => _rules.Count > 0;

    public void Permit(string vhost, string exchange, NamePattern write, NamePattern read) =>
        _rules[(vhost, exchange)] = (write, read);

    public void Clear(string vhost, string? exchange)
    {
        foreach ((string VirtualHost, string Exchange) rule in _rules.Keys
            .Where(rule => rule.VirtualHost == vhost && (exchange is null || rule.Exchange == exchange)).ToArray())
            _rules.Remove(rule);
    }

    public bool May(string vhost, string exchange, Permission permission, string key) =>
        !_rules.TryGetValue((vhost, exchange), out (NamePattern Write, NamePattern Read) rule)
            || (permission == Permission.Write ? rule.Write : rule.Read).IsMatch(key);
}
