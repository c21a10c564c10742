using System.Text.Json;

namespace FederatedLearning.Messages;

/// <summary>What the server sends, as JSON: written by handlers, read by clients.</summary>
public static class ServerJson
{
    /// <summary>The field that says what a message is, over AMQP and MQTT.</summary>
    public const string DefaultTypeProperty = "message_type";

    /// <summary>
    /// Writes a message, on one line. <see cref="OutgoingMessage.ToJson"/> keeps what it has written.
    /// </summary>
    /// <param name="message">The message.</param>
    /// <param name="typeProperty">The field for its type; over QUIC <c>type</c>.</param>
    public static byte[] Write(OutgoingMessage message, string typeProperty = DefaultTypeProperty)
    {
        ArgumentNullException.ThrowIfNull(message);
        return JsonBody.Write(json => WriteFields(json, message, typeProperty), (message as GlobalModel)?.Weights);
    }

    /// <summary>Reads a message. Null: its type is not known here, so a newer server is no error.</summary>
    /// <exception cref="MessageRefusedException">It is not JSON, or lacks what its type must have.</exception>
    public static OutgoingMessage? Read(ReadOnlySpan<byte> json, string typeProperty = DefaultTypeProperty)
    {
        var fields = JsonFields.Read(json, typeProperty);
        OutgoingMessage? message = fields.Require(fields.Type, typeProperty) switch
        {
            "training_config" => new TrainingConfig(
                fields.Require(fields.BatchSize, "batch_size"), fields.Require(fields.LocalEpochs, "local_epochs")),
            "global_model" => new GlobalModel(
                fields.Require(fields.Round, "round"), fields.Require(fields.Weights, "weights"), fields.ModelConfig),
            "start_training" => new StartTraining(fields.Require(fields.Round, "round")),
            "start_evaluation" => new StartEvaluation(fields.Require(fields.Round, "round")),
            "training_complete" => new TrainingComplete(fields.Round ?? 0, fields.Reason ?? ""),
            "server_started" => new ServerStarted(),
            "rejected" => new Rejected(fields.Reason ?? ""),
            "error" => new ErrorReport(fields.Reason ?? "", fields.Round ?? 0),
            _ => null,
        };
        return message is null ? null : message with { Recipient = fields.Client };
    }

    private static void WriteFields(Utf8JsonWriter json, OutgoingMessage message, string typeProperty)
    {
        json.WriteString(typeProperty, message.MessageType);
        if (message.Recipient is { } recipient) json.WriteClient(recipient);
        switch (message)
        {
            case ServerStarted:
                break;
            case TrainingConfig config:
                json.WriteNumber("batch_size", config.BatchSize);
                json.WriteNumber("local_epochs", config.LocalEpochs);
                break;
            case GlobalModel model:
                json.WriteNumber("round", model.Round);
                if (model.ModelConfig is { } shape) ModelConfigJson.Write(json, shape);
                break;
            case StartTraining start:
                json.WriteNumber("round", start.Round);
                break;
            case StartEvaluation start:
                json.WriteNumber("round", start.Round);
                break;
            case TrainingComplete complete:
                json.WriteNumber("round", complete.Round);
                json.WriteString("reason", complete.Reason);
                break;
            case Rejected rejected:
                json.WriteString("reason", rejected.Reason);
                break;
            case ErrorReport error:
                json.WriteNumber("round", error.Round);
                json.WriteString("reason", error.Reason);
                break;
            default:
                throw new InvalidOperationException($"{message.GetType().Name} is not of the family.");
        }
    }
}
