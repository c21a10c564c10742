namespace SafeAmqp.Testing.Protocol;

/// <summary>
/// Two declarations of one name must agree (AMQP 0-9-1, 40.10 and 50.10); the text says what differs.
/// </summary>
internal static class Equivalence
{
    public static void CheckField(string field, string what, object received, object current)
    {
        if (!Equals(received, current))
            throw AmqpError.Precondition($"inequivalent arg '{field}' for {what}: received '{Lower(received)}' "
                + $"but current is '{Lower(current)}'");
    }

    public static void CheckArgument(
        string name, string what, Dictionary<string, object?> received, Dictionary<string, object?> current)
    {
        bool given = received.TryGetValue(name, out object? newValue);
        bool known = current.TryGetValue(name, out object? oldValue);
        if (given == known && (!given || FieldTable.Same(newValue, oldValue)))
            return;
        bool both = given && known;
        // RabbitMQ dies of printing it.
        if (both && newValue is DecimalField)
            throw new AmqpError(ReplyCode.InternalError, "");
        throw AmqpError.Precondition(
            $"inequivalent arg '{name}' for {what}: received {Show(given, newValue, both)} but current "
                + $"is {Show(known, oldValue, both)}");
    }

    /// <summary>The names of exchanges in arguments have a check and a text of their own.</summary>
    public static void CheckIsText(string name, string what, Dictionary<string, object?> arguments)
    {
        if (arguments.TryGetValue(name, out object? value) && value is not byte[])
            throw AmqpError.Precondition(
                $"invalid type '{FieldTableWriter.TypeName(value)}' for arg '{name}' in {what}");
    }

    /// <summary>Two values are shown alone; one that stands against none, with its type.</summary>
    private static string Show(bool given, object? value, bool alone) =>
        alone ? $"'{Text(value)}'"
        : given ? $"the value '{Text(value)}' of type '{FieldTableWriter.TypeName(value)}'" : "none";

    private static string Text(object? value) => FieldTable.Text(value) ?? ErlangText.Value(value);

    private static string Lower(object value) => value is bool flag ? flag ? "true" : "false" : (string)value;
}
