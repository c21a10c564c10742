namespace SafeAmqp.Testing.Queues;

/// <summary>A message of a stream, its offset, and the first offset of the chunk that it lies in.</summary>
internal readonly record struct StreamMessage(Message Message, long Offset, long Chunk)
{
    private const string FilterHeader = "x-stream-filter-value";

    /// <summary>
    /// What a stream keeps of a message: RabbitMQ stores it in the form of AMQP 1.0, in which tables and arrays are no
    /// properties of an application, and there is no cluster id.
    /// </summary>
    /// <exception cref="AmqpError">541: a decimal, for which there is no form.</exception>
    public static Message Stored(Message message, VersionRules rules)
    {
        var headers = new SortedDictionary<string, object?>(StringComparer.Ordinal);
        foreach ((string name, object? value) in message.Properties.ReadHeaders())
        {
            if (value is DecimalField)
                throw new AmqpError(ReplyCode.InternalError, "");
            bool isNested = value is Dictionary<string, object?> or List<object?> or NestedField;
            if (!isNested || rules.StoresLikeAmqp10 && name.StartsWith("x-", StringComparison.Ordinal))
                headers[name] = rules.StoresLikeAmqp10 && value is ByteArray binary ? binary.Bytes : value;
        }
        ContentProperties properties = message.Properties.With(
            (ContentProperties.HeadersIndex, headers), (ContentProperties.ClusterId, null));
        if (rules.StoresLikeAmqp10)
        {
            byte[] mode = [properties.IsPersistent ? (byte)2 : (byte)1];
            properties = properties.With((ContentProperties.DeliveryMode, mode.AsMemory()));
        }
        return message.With(properties);
    }

    /// <summary>What consumers filter by; "" when there is none.</summary>
    public static string FilterValue(Message message) =>
        FieldTable.Text(message.Properties.ReadHeaders().GetValueOrDefault(FilterHeader)) ?? "";

    /// <summary>With its offset among the headers.</summary>
    public Message ToDeliver()
    {
        var headers = new SortedDictionary<string, object?>(Message.Properties.ReadHeaders(), StringComparer.Ordinal)
        {
            [StreamOffset.Header] = Offset,
        };
        return Message.With(Message.Properties.With((ContentProperties.HeadersIndex, headers)));
    }
}

/// <summary>
/// What of a stream a consumer wants: <c>x-stream-filter</c>, and whether what has no value comes as well.
/// </summary>
internal sealed class StreamFilter
{
    private readonly HashSet<string> _values;

    private StreamFilter(HashSet<string> values) => _values = values;

    /// <summary>null when everything is wanted.</summary>
    /// <exception cref="AmqpError">541: a list that is empty, or of something else than text.</exception>
    public static StreamFilter? Read(Dictionary<string, object?> arguments)
    {
        HashSet<string> values = [];
        switch (arguments.GetValueOrDefault("x-stream-filter"))
        {
            case byte[] text:
                values.Add(FieldTable.Text(text)!);
                break;
            case List<object?> list when list.Count > 0 && list.TrueForAll(item => item is byte[]):
                values.UnionWith(list.Select(item => FieldTable.Text(item)!));
                break;
            case List<object?>:
                throw new AmqpError(ReplyCode.InternalError, "");
            default:
                return null;
        }
        if (arguments.GetValueOrDefault("x-stream-match-unfiltered") is true)
            values.Add("");
        return new StreamFilter(values);
    }

    public bool Wants(string value) => _values.Contains(value);
}
