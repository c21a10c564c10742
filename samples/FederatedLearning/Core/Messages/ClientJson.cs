using System.Text.Json;

namespace FederatedLearning.Messages;

/// <summary>What clients send, as JSON: for every protocol that speaks JSON. Safe on hostile input.</summary>
public static class ClientJson
{
    /// <summary>The field that says what a message is, where the way that it takes does not: over QUIC.</summary>
    public const string TypeProperty = "type";

    /// <summary>The names of what clients send, on every protocol.</summary>
    public const string Register = "register", Update = "update", Metrics = "metrics";

    /// <summary>What a message is called.</summary>
    public static string KindOf(ClientMessage message) => message switch
    {
        ClientRegistration => Register,
        ClientUpdate => Update,
        ClientMetrics => Metrics,
        _ => throw new InvalidOperationException($"{message?.GetType().Name} is not of the family."),
    };

    /// <summary>Reads any message.</summary>
    /// <param name="json">Its bytes.</param>
    /// <param name="kind"><c>register</c>, <c>update</c> or <c>metrics</c>; null where the message says it itself, in
    /// <c>type</c>.</param>
    /// <param name="owner">The client that alone may speak here; null where the way does not say whose message it
    /// is.</param>
    /// <exception cref="MessageRefusedException">It is no such message, or another client's. Names the client where it
    /// is known.</exception>
    public static ClientMessage Read(ReadOnlySpan<byte> json, string? kind = null, ClientId? owner = null)
    {
        ClientMessage message;
        try
        {
            var fields = JsonFields.Read(json, kind is null ? TypeProperty : ServerJson.DefaultTypeProperty);
            message = (kind ?? fields.Require(fields.Type, TypeProperty)) switch
            {
                Register => ToRegistration(fields),
                Update => ToUpdate(fields),
                Metrics => ToMetrics(fields),
                _ => throw new MessageRefusedException(
                    $"{TypeProperty} must be {Register}, {Update} or {Metrics}", fields.Client),
            };
        }
        // Whichever client it names: what is wrong on a client's own way is that client's.
        catch (MessageRefusedException refused) when (owner is not null && refused.Client != owner)
        {
            throw new MessageRefusedException(refused.Message, owner);
        }
        return owner is null || message.Client == owner
            ? message
            : throw new MessageRefusedException(
                $"client_id is {message.Client}, but only client {owner} may speak here", owner);
    }

    /// <summary>Reads <c>register</c>: {client_id}.</summary>
    /// <exception cref="MessageRefusedException">It is no such message.</exception>
    public static ClientRegistration ReadRegistration(ReadOnlySpan<byte> json) => ToRegistration(JsonFields.Read(json));

    /// <summary>Reads <c>update</c>: {client_id, round, weights, num_samples, metrics?}.</summary>
    /// <exception cref="MessageRefusedException">It is no such message. Names the client where that could be
    /// read.</exception>
    public static ClientUpdate ReadUpdate(ReadOnlySpan<byte> json) => ToUpdate(JsonFields.Read(json));

    /// <summary>
    /// Reads <c>metrics</c>: {client_id, round, num_samples, metrics {loss, accuracy, client_converged?}}.
    /// </summary>
    /// <exception cref="MessageRefusedException">It is no such message. Names the client where that could be
    /// read.</exception>
    public static ClientMetrics ReadMetrics(ReadOnlySpan<byte> json) => ToMetrics(JsonFields.Read(json));

    /// <summary>Writes a message, on one line.</summary>
    /// <param name="message">The message.</param>
    /// <param name="typeProperty">The field for its kind, where the way does not say it; null: none.</param>
    /// <exception cref="MessageRefusedException">It is larger than <see cref="MessageLimit.Bytes"/>.</exception>
    public static byte[] Write(ClientMessage message, string? typeProperty = null)
    {
        ArgumentNullException.ThrowIfNull(message);
        return JsonBody.Write(json =>
        {
            if (typeProperty is not null) json.WriteString(typeProperty, KindOf(message));
            WriteFields(json, message);
        }, (message as ClientUpdate)?.Weights);
    }

    private static ClientRegistration ToRegistration(JsonFields fields)
        => new(fields.Require(fields.Client, "client_id"));

    private static ClientUpdate ToUpdate(JsonFields fields) => new(
        fields.Require(fields.Client, "client_id"),
        fields.Require(fields.Round, "round"),
        fields.Require(fields.Weights, "weights"),
        fields.Require(fields.NumSamples, "num_samples"),
        fields is { Loss: { } loss, Accuracy: { } accuracy } ? new ReportedMetrics(loss, accuracy) : null);

    private static ClientMetrics ToMetrics(JsonFields fields) => new(
        fields.Require(fields.Client, "client_id"),
        fields.Require(fields.Round, "round"),
        fields.Require(fields.NumSamples, "num_samples"),
        new ReportedMetrics(
            fields.Require(fields.Loss, "metrics.loss"), fields.Require(fields.Accuracy, "metrics.accuracy")),
        fields.Converged);

    private static void WriteFields(Utf8JsonWriter json, ClientMessage message)
    {
        json.WriteClient(message.Client);
        switch (message)
        {
            case ClientRegistration:
                break;
            case ClientUpdate update:
                json.WriteNumber("round", update.Round);
                json.WriteNumber("num_samples", update.NumSamples);
                if (update.Metrics is { } measured) WriteMetrics(json, measured, null);
                break;
            case ClientMetrics metrics:
                json.WriteNumber("round", metrics.Round);
                json.WriteNumber("num_samples", metrics.NumSamples);
                WriteMetrics(json, metrics.Metrics, metrics.Converged);
                break;
            default:
                throw new InvalidOperationException($"{message.GetType().Name} is not of the family.");
        }
    }

    private static void WriteMetrics(Utf8JsonWriter json, ReportedMetrics metrics, bool? converged)
    {
        json.WriteStartObject("metrics");
        json.WriteNumber("loss", metrics.Loss);
        json.WriteNumber("accuracy", metrics.Accuracy);
        if (converged is { } value) json.WriteBoolean("client_converged", value);
        json.WriteEndObject();
    }
}
