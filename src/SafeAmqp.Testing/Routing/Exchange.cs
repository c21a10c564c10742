using SafeAmqp.Testing.Queues;

namespace SafeAmqp.Testing.Routing;

/// <summary>What a binding leads to: a queue or another exchange.</summary>
internal interface IDestination
{
    string Name { get; }

    /// <summary>
    /// The last routing that came by; one message reaches a destination once, however many bindings match.
    /// </summary>
    long Visit { get; set; }
}

/// <summary>A binding: these four together are its identity (AMQP 0-9-1, 50.20).</summary>
internal sealed record Binding(
    Exchange Source, IDestination Destination, string Key, Dictionary<string, object?> Arguments)
{
    public bool IsSame(Binding other) => ReferenceEquals(Destination, other.Destination) && Key == other.Key
        && FieldTable.IsIdentical(Arguments, other.Arguments);
}

/// <summary>An exchange: what it was declared with, and its bindings in the form that its type looks them up.</summary>
internal sealed class Exchange(
    string name, string type, bool durable, bool autoDelete, bool isInternal, Dictionary<string, object?> arguments,
    VersionRules rules) : IDestination
{
    private readonly BindingTable _table = BindingTable.For(type, rules);

    public string Name => name;

    public string Type => type;

    public bool Durable => durable;

    public bool AutoDelete => autoDelete;

    public bool IsInternal => isInternal;

    public Dictionary<string, object?> Arguments => arguments;

    public string? Alternate { get; } = FieldTable.Text(arguments.GetValueOrDefault("alternate-exchange"));

    public long Visit { get; set; }

    /// <summary>All bindings from here, in the order in which they were made.</summary>
    public List<Binding> Bindings { get; } = [];

    /// <exception cref="AmqpError">406: a headers exchange knows no such x-match.</exception>
    public bool Bind(Binding binding)
    {
        _table.Check(binding.Arguments);
        if (Bindings.Exists(binding.IsSame))
            return false;
        Bindings.Add(binding);
        _table.Add(binding);
        return true;
    }

    public bool Unbind(Binding binding)
    {
        Binding? existing = Bindings.Find(binding.IsSame);
        if (existing is null)
            return false;
        Bindings.Remove(existing);
        _table.Remove(existing);
        return true;
    }

    public void Match(Message message, string key, List<Binding> matches) => _table.Match(message, key, matches);
}
