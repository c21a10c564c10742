using System.Buffers;
using System.Text.Json;
using FederatedLearning.Encoding;
using FederatedLearning.Model;

namespace FederatedLearning.Messages;

/// <summary>
/// What may stand in a message, read in one pass over the bytes, in whatever order it comes. Unknown fields are passed
/// over. The text of <c>weights</c> is decoded where it lies.
/// </summary>
internal sealed class JsonFields
{
    public ClientId? Client { get; private set; }
    public string? Type { get; private set; }
    public int? Round { get; private set; }
    public ModelWeights? Weights { get; private set; }
    public int? NumSamples { get; private set; }
    public double? Loss { get; private set; }
    public double? Accuracy { get; private set; }
    public bool Converged { get; private set; }
    public int? BatchSize { get; private set; }
    public int? LocalEpochs { get; private set; }
    public string? Reason { get; private set; }
    public ModelConfig? ModelConfig { get; private set; }

    private string? _wrong;

    /// <summary>Reads a message.</summary>
    /// <exception cref="MessageRefusedException">It is not JSON, or a field is wrong. It names the client, if the
    /// message does anywhere.</exception>
    public static JsonFields Read(ReadOnlySpan<byte> json, string typeProperty = ServerJson.DefaultTypeProperty)
    {
        var fields = new JsonFields();
        try
        {
            var reader = new Utf8JsonReader(json);
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
                throw new MessageRefusedException("the message is not a JSON object");
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                string name = reader.GetString()!;
                reader.Read();
                fields.ReadField(ref reader, name, typeProperty);
            }
            if (reader.Read()) throw new MessageRefusedException("something follows the JSON object");
        }
        catch (JsonException error)
        {
            throw new MessageRefusedException(
                $"the message is not JSON: byte {error.BytePositionInLine} of line {error.LineNumber}", fields.Client);
        }
        // Strings that hold half a surrogate pair are JSON to the reader, but no text.
        catch (InvalidOperationException)
        {
            throw new MessageRefusedException("the message holds a string that is no text", fields.Client);
        }
        return fields._wrong is null ? fields : throw new MessageRefusedException(fields._wrong, fields.Client);
    }

    /// <summary>The field, which the message must have.</summary>
    public T Require<T>(T? value, string name) where T : struct
        => value ?? throw new MessageRefusedException($"{name} is missing", Client);

    /// <inheritdoc cref="Require{T}(T?, string)"/>
    public T Require<T>(T? value, string name) where T : class
        => value ?? throw new MessageRefusedException($"{name} is missing", Client);

    private void ReadField(ref Utf8JsonReader reader, string name, string typeProperty)
    {
        switch (name)
        {
            case "client_id": Client = ReadClient(ref reader); break;
            case "round": Round = Whole(ref reader, name, 0); break;
            case "weights": Weights = ReadWeights(ref reader); break;
            case "num_samples": NumSamples = Whole(ref reader, name, 1); break;
            case "metrics": ReadMetrics(ref reader); break;
            case "batch_size": BatchSize = Whole(ref reader, name, 1); break;
            case "local_epochs": LocalEpochs = Whole(ref reader, name, 1); break;
            case "reason": Reason = Text(ref reader, name); break;
            case "model_config" when reader.TokenType == JsonTokenType.Null: break;
            case "model_config": ModelConfig = ModelConfigJson.Read(ref reader, Wrong); break;
            default:
                if (name == typeProperty) Type = Text(ref reader, name);
                else reader.Skip();
                break;
        }
    }

    private ClientId? ReadClient(ref Utf8JsonReader reader)
    {
        string? text = reader.TokenType switch
        {
            JsonTokenType.String => reader.GetString(),
            JsonTokenType.Number when reader.TryGetInt64(out long number) =>
                number.ToString(System.Globalization.CultureInfo.InvariantCulture),
            _ => null,
        };
        reader.Skip();
        if (ClientId.TryParse(text, out var id)) return id;
        Wrong($"client_id must be an integer or 1 to {ClientId.MaxLength} letters, digits, '_' or '-'");
        return null;
    }

    // What is wrong with the weights is kept until the rest is read: the client's id may stand behind them.
    private ModelWeights? ReadWeights(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.String)
        {
            reader.Skip();
            Wrong("weights: must be a string of base64 (see ENCODING.md)");
            return null;
        }
        try
        {
            return reader.ValueIsEscaped ? DecodeEscaped(ref reader) : WeightEncoding.Decode(reader.ValueSpan);
        }
        catch (MessageRefusedException error)
        {
            Wrong(error.Message);
            return null;
        }
    }

    // Some writers escape '/' and '+'. Only they pay for a copy.
    private static ModelWeights DecodeEscaped(ref Utf8JsonReader reader)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(reader.ValueSpan.Length);
        try
        {
            return WeightEncoding.Decode(buffer.AsSpan(0, reader.CopyString(buffer)));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private void ReadMetrics(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            if (reader.TokenType != JsonTokenType.Null) Wrong("metrics must be an object");
            reader.Skip();
            return;
        }
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string? name = reader.GetString();
            reader.Read();
            switch (name)
            {
                case "loss": Loss = Number(ref reader); break;
                case "accuracy": Accuracy = Number(ref reader); break;
                case "client_converged":
                    Converged = reader.TokenType == JsonTokenType.True
                        || (reader.TokenType == JsonTokenType.Number && Number(ref reader) == 1);
                    reader.Skip();
                    break;
                default: reader.Skip(); break;
            }
        }
    }

    private static double? Number(ref Utf8JsonReader reader)
    {
        double? number = reader.TokenType == JsonTokenType.Number && reader.TryGetDouble(out double value)
            ? value : null;
        reader.Skip();
        return number;
    }

    private int? Whole(ref Utf8JsonReader reader, string name, int min)
    {
        int? number = reader.TokenType == JsonTokenType.Number && reader.TryGetInt32(out int value) && value >= min
            ? value
            : null;
        reader.Skip();
        if (number is null) Wrong($"{name} must be a whole number of at least {min}");
        return number;
    }

    private string? Text(ref Utf8JsonReader reader, string name)
    {
        string? text = reader.TokenType == JsonTokenType.String ? reader.GetString() : null;
        reader.Skip();
        if (text is null) Wrong($"{name} must be a string");
        return text;
    }

    private void Wrong(string reason) => _wrong ??= reason;
}
