using System.Buffers;
using System.Globalization;
using System.Text.Json;
using FederatedLearning.Encoding;
using FederatedLearning.Model;

namespace FederatedLearning.Messages;

/// <summary>
/// Writes a message's bytes: the small fields by the writer, then the weights straight from the model into a body of
/// the exact size.
/// </summary>
internal static class JsonBody
{
    public static byte[] Write(Action<Utf8JsonWriter> fields, ModelWeights? weights)
    {
        var small = new ArrayBufferWriter<byte>(512);
        using (var json = new Utf8JsonWriter(small))
        {
            json.WriteStartObject();
            fields(json);
            json.WriteEndObject();
        }
        if (weights is null) return small.WrittenSpan.ToArray();
        var before = small.WrittenSpan[..^1];
        var name = ",\"weights\":\""u8;
        var end = "\"}"u8;
        int text = WeightEncoding.EncodedLength(weights);
        long length = (long)before.Length + name.Length + text + end.Length;
        MessageLimit.Check(length);
        byte[] body = GC.AllocateUninitializedArray<byte>((int)length);
        before.CopyTo(body);
        name.CopyTo(body.AsSpan(before.Length));
        WeightEncoding.Encode(weights, body.AsSpan(before.Length + name.Length, text));
        end.CopyTo(body.AsSpan(body.Length - end.Length));
        return body;
    }

    /// <summary>An id that is a number goes as a number, as existing peers send it.</summary>
    public static void WriteClient(this Utf8JsonWriter json, ClientId client)
    {
        if (int.TryParse(client.Value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int number)
            && number.ToString(CultureInfo.InvariantCulture) == client.Value)
            json.WriteNumber("client_id", number);
        else
            json.WriteString("client_id", client.Value);
    }
}
