using SafeAmqp;

namespace TestSupport;

/// <summary>Messages are equal to themselves alone; their parts are compared.</summary>
public static class MessageParts
{
    /// <summary>What a message has beside its body and its headers.</summary>
    public static IEnumerable<(string Name, object? Value)> Properties(this AmqpMessage message)
        => typeof(AmqpMessage).GetProperties()
            .Where(property => property.Name is not (nameof(AmqpMessage.Body) or nameof(AmqpMessage.Headers)))
            .Select(property => (property.Name, property.GetValue(message)));
}
