namespace SafeAmqp.Testing.Queues;

/// <summary>
/// What becomes of a message that a queue gives up (x-dead-letter-exchange), with its history in x-death.
/// </summary>
internal sealed partial class MessageQueue
{
    private void DeadLetter(QueueEntry entry, string reason)
    {
        if (Arguments.DeadLetterExchange is not { } target
            || !Host.Exchanges.TryGetValue(target, out Routing.Exchange? exchange))
            return;
        Message message = entry.Message;
        string[] keys = Arguments.DeadLetterRoutingKey is { } key ? [key] : [.. message.RoutingKeys];
        Dictionary<string, object?> headers = new(message.Properties.ReadHeaders());
        VersionRules rules = Rules;
        bool isFirst = rules.ReadsPublishedDeaths ? !headers.ContainsKey("x-death") : message.Deaths is null;
        object? before = rules.ReadsPublishedDeaths ? headers.GetValueOrDefault("x-death") : message.Deaths;
        List<object?> deaths = Deaths(before, message, reason);
        headers["x-death"] = deaths;
        if (isFirst)
            Tell("first");
        if (rules.WritesLastDeath)
            Tell("last");
        if (Arguments.DeadLetterRoutingKey is not null && !rules.KeepsCopies)
            headers.Remove("CC");
        // Without its expiration: it would die in the next queue as well.
        var sorted = new SortedDictionary<string, object?>(headers, StringComparer.Ordinal);
        ContentProperties properties = message.Properties.With(
            (ContentProperties.HeadersIndex, sorted), (ContentProperties.ExpirationIndex, null));
        var dead = new Message(target, keys[0], properties, message.Body)
        {
            RoutingKeys = keys,
            VisibleKeys = Arguments.DeadLetterRoutingKey is null ? message.VisibleKeys : keys,
            Deaths = deaths,
            Rejections = message.Rejections + (Arguments.IsQuorum && reason == "rejected" ? 1 : 0),
        };
        foreach (BrokerQueue queue in Host.Router.Route(exchange, dead).ToArray())
            if (!IsCycle(queue, deaths))
                Loop.Later(() => queue.Publish(dead));

        void Tell(string which)
        {
            headers[$"x-{which}-death-reason"] = FieldTable.Bytes(reason);
            headers[$"x-{which}-death-queue"] = FieldTable.Bytes(Name);
            headers[$"x-{which}-death-exchange"] = FieldTable.Bytes(message.Exchange);
        }
    }

    /// <summary>
    /// The list of deaths with this one in front: counted up when it happened in this queue for this reason before.
    /// </summary>
    private List<object?> Deaths(object? before, Message message, string reason)
    {
        List<object?> deaths = before is List<object?> old ? [.. old] : [];
        int place = deaths.FindIndex(death => death is Dictionary<string, object?> table && Is(table, "queue", Name)
            && Is(table, "reason", reason));
        Dictionary<string, object?> entry;
        if (place >= 0)
        {
            entry = new Dictionary<string, object?>((Dictionary<string, object?>)deaths[place]!);
            entry["count"] = (FieldTable.Integer(entry.GetValueOrDefault("count")) ?? 0) + 1;
            deaths.RemoveAt(place);
        }
        else
        {
            bool expirationFirst = Rules.PutsExpirationFirst;
            entry = [];
            if (expirationFirst)
                TellExpiration();
            entry["count"] = 1L;
            entry["reason"] = FieldTable.Bytes(reason);
            entry["queue"] = FieldTable.Bytes(Name);
            entry["time"] = new TimestampField((ulong)Loop.Time.GetUtcNow().ToUnixTimeSeconds());
            entry["exchange"] = FieldTable.Bytes(message.Exchange);
            entry["routing-keys"] = message.VisibleKeys.Select(key => (object?)FieldTable.Bytes(key)).ToList();
            if (!expirationFirst)
                TellExpiration();
        }
        deaths.Insert(0, entry);
        return deaths;

        void TellExpiration()
        {
            if (message.Properties.Expiration is { } expiration)
                entry["original-expiration"] = FieldTable.Bytes(expiration);
        }
    }

    /// <summary>
    /// A message that would come back to a queue without anybody having rejected it on the way would go round for ever.
    /// </summary>
    private static bool IsCycle(BrokerQueue queue, List<object?> deaths)
    {
        foreach (object? death in deaths)
        {
            // The publisher may have sent an x-death of its own, of any shape.
            if (death is not Dictionary<string, object?> table)
                continue;
            if (Is(table, "reason", "rejected"))
                return false;
            if (Is(table, "queue", queue.Name))
                return true;
        }
        return false;
    }

    private static bool Is(Dictionary<string, object?> table, string field, string value) =>
        table.TryGetValue(field, out object? found) && FieldTable.Text(found) == value;
}
