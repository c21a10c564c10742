using System.Text;

namespace RecipeService.Tests.Support;

/// <summary>A message in protobuf's wire format, read without its schema: fields by number.</summary>
internal sealed class ProtobufMessage
{
    private readonly List<(int Field, byte[] Bytes)> _fields = [];

    public static ProtobufMessage Read(ReadOnlySpan<byte> bytes)
    {
        var message = new ProtobufMessage();
        while (bytes.Length > 0)
        {
            ulong key = Varint(ref bytes);
            switch (key & 7)
            {
                case 0:
                    Varint(ref bytes);
                    break;
                case 1:
                    bytes = bytes[8..];
                    break;
                case 2:
                    int length = checked((int)Varint(ref bytes));
                    message._fields.Add(((int)(key >> 3), bytes[..length].ToArray()));
                    bytes = bytes[length..];
                    break;
                case 5:
                    bytes = bytes[4..];
                    break;
                default:
                    throw new InvalidDataException($"Wire type {key & 7}.");
            }
        }
        return message;
    }

    public IEnumerable<ProtobufMessage> Messages(int field)
        => _fields.Where(f => f.Field == field).Select(f => Read(f.Bytes));

    public string Text(int field) => Encoding.UTF8.GetString(Bytes(field));

    public string Hex(int field) => Convert.ToHexStringLower(Bytes(field));

    private byte[] Bytes(int field) => _fields.FirstOrDefault(f => f.Field == field).Bytes ?? [];

    private static ulong Varint(ref ReadOnlySpan<byte> bytes)
    {
        ulong value = 0;
        for (int i = 0; ; i++)
        {
            value |= (ulong)(bytes[i] & 0x7F) << (7 * i);
            if ((bytes[i] & 0x80) != 0)
                continue;
            bytes = bytes[(i + 1)..];
            return value;
        }
    }
}
