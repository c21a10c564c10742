using System.Text.Json;

namespace FederatedLearning.Messages;

/// <summary>What clients send, as JSON: for every protocol that speaks JSON. Safe on hostile input.</summary>
public static class ClientJson
{
    /// <summary>Reads <c>register</c>: {client_id}.</summary>
    /// <exception cref="MessageRefusedException">It is no such message.</exception>
    public static ClientRegistration ReadRegistration(ReadOnlySpan<byte> json)
    {
        var fields = JsonFields.Read(json);
        return new ClientRegistration(fields.Require(fields.Client, "client_id"));
    }

    /// <summary>Reads <c>update</c>: {client_id, round, weights, num_samples, metrics?}.</summary>
    /// <exception cref="MessageRefusedException">It is no such message. Names the client where that could be read.</exception>
    public static ClientUpdate ReadUpdate(ReadOnlySpan<byte> json)
    {
        var fields = JsonFields.Read(json);
        return new ClientUpdate(
            fields.Require(fields.Client, "client_id"),
            fields.Require(fields.Round, "round"),
            fields.Require(fields.Weights, "weights"),
            fields.Require(fields.NumSamples, "num_samples"),
            fields is { Loss: { } loss, Accuracy: { } accuracy } ? new ReportedMetrics(loss, accuracy) : null);
    }

    /// <summary>Reads <c>metrics</c>: {client_id, round, num_samples, metrics {loss, accuracy, client_converged?}}.</summary>
    /// <exception cref="MessageRefusedException">It is no such message. Names the client where that could be read.</exception>
    public static ClientMetrics ReadMetrics(ReadOnlySpan<byte> json)
    {
        var fields = JsonFields.Read(json);
        return new ClientMetrics(
            fields.Require(fields.Client, "client_id"),
            fields.Require(fields.Round, "round"),
            fields.Require(fields.NumSamples, "num_samples"),
            new ReportedMetrics(fields.Require(fields.Loss, "metrics.loss"), fields.Require(fields.Accuracy, "metrics.accuracy")),
            fields.Converged);
    }

    /// <summary>Writes a message.</summary>
    public static byte[] Write(ClientMessage message)
    {
        ArgumentNullException.ThrowIfNull(message);
        return JsonBody.Write(json => WriteFields(json, message), (message as ClientUpdate)?.Weights);
    }

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
